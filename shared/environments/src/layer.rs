//! The layers of a pair, each of which has stacks of its own.

/// What a stack holds. In the order of deployment; deletion goes the other way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layer {
    /// The VPC and its subnets, optional.
    Network,
    /// Bucket, security group and execution role of one color.
    Base,
    /// The lineage server, optional.
    Lineage,
    /// The MWAA environment of one color.
    Environment,
    /// The controller: the functions and their alarms.
    Controller,
}

//! What the mains of the three Lambda functions share. Only they depend on the Lambda runtime: use cases and the
//! command line are built without it.

mod runtime;
mod telemetry;

pub use runtime::serve;

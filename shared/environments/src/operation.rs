//! What CloudFormation does with one stack: what its status permits, what a change set may do, why an operation failed.

use std::collections::BTreeMap;

/// What a stack's status means for whoever wants to deploy it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// There is none.
    Absent,
    /// Nothing was ever made, or its making was rolled back: only deleting it makes room for a new one.
    Leftover,
    /// CloudFormation is at it.
    Busy,
    /// It can be updated. What is deployed is what its parameters and outputs say, also after a rollback.
    Settled,
    /// CloudFormation wants a person's help first.
    Stuck,
}

impl Standing {
    /// Of a status as DescribeStacks gives it; `None` if there is no such stack.
    #[must_use]
    pub fn of(status: Option<&str>) -> Self {
        match status {
            None | Some("DELETE_COMPLETE") => Self::Absent,
            Some("REVIEW_IN_PROGRESS" | "ROLLBACK_COMPLETE" | "ROLLBACK_FAILED" | "CREATE_FAILED") => Self::Leftover,
            Some(status) if status.ends_with("_IN_PROGRESS") => Self::Busy,
            Some("UPDATE_ROLLBACK_FAILED" | "DELETE_FAILED" | "IMPORT_ROLLBACK_FAILED") => Self::Stuck,
            Some(_) => Self::Settled,
        }
    }
}

/// Whether the status says that the last operation did not do what was asked.
#[must_use]
pub fn has_failed(status: &str) -> bool {
    status.contains("ROLLBACK") || status.ends_with("_FAILED")
}

/// What a person does about a stack that CloudFormation cannot go on with by itself.
#[must_use]
pub fn help(stack: &str, region: &str, status: &str) -> String {
    match status {
        "UPDATE_ROLLBACK_FAILED" => format!(
            "CloudFormation could not go back to the state before. Mend what the reason names, then `aws cloudformation \
             continue-update-rollback --stack-name {stack} --region {region}`, wait for UPDATE_ROLLBACK_COMPLETE, and repeat \
             this command"
        ),
        "DELETE_FAILED" => format!(
            "somebody began to delete it, and something could not be deleted. Mend what the reason names; `aws \
             cloudformation delete-stack --stack-name {stack} --region {region}` goes on, and then this command makes it anew"
        ),
        _ => {
            format!("look at it with `aws cloudformation describe-stack-events --stack-name {stack} --region {region}`")
        }
    }
}

/// One event of a stack.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Event {
    /// CloudFormation's id of it.
    pub id: String,
    /// The resource's name in the template; of the stack itself the stack's name.
    pub resource: String,
    /// The resource's type.
    pub kind: String,
    /// Such as `CREATE_FAILED`.
    pub status: String,
    /// Why, if CloudFormation says so.
    pub reason: Option<String>,
}

impl Event {
    fn is_of_the_stack(&self) -> bool {
        self.kind == "AWS::CloudFormation::Stack"
    }

    /// Whether it is worth a line. The end of the whole stack is said anyway.
    fn is_news(&self) -> bool {
        if self.is_of_the_stack() {
            self.begins() || self.status.ends_with("ROLLBACK_IN_PROGRESS") || self.status.ends_with("_FAILED")
        } else {
            !self.status.ends_with("_IN_PROGRESS")
        }
    }

    /// Whether an operation on the stack begins with it.
    #[must_use]
    pub fn begins(&self) -> bool {
        self.is_of_the_stack()
            && matches!(
                self.status.as_str(),
                "CREATE_IN_PROGRESS" | "UPDATE_IN_PROGRESS" | "DELETE_IN_PROGRESS" | "IMPORT_IN_PROGRESS"
            )
    }
}

/// How the newest operation ended: the status of the stack's own last event after its beginning; none while it goes on,
/// and while no beginning is seen. `newest_first` is the order of `DescribeStackEvents`.
#[must_use]
pub fn ended(newest_first: &[Event]) -> Option<&str> {
    let begin = newest_first.iter().position(Event::begins)?;
    newest_first
        .iter()
        .take(begin)
        .find(|event| event.is_of_the_stack())
        .map(|event| event.status.as_str())
        .filter(|status| !status.ends_with("_IN_PROGRESS"))
}

/// What one look brought, in lines: the resources of one status in one, each failure in its own with its reason.
#[must_use]
pub fn news(newest_first: &[Event]) -> Vec<String> {
    let mut lines: Vec<(&str, Vec<&str>, Option<&str>)> = Vec::new();
    for event in newest_first.iter().rev().filter(|event| event.is_news()) {
        let is_alone = event.status.ends_with("_FAILED") || event.is_of_the_stack();
        let resource = if event.is_of_the_stack() {
            ""
        } else {
            event.resource.as_str()
        };
        let status = event.status.as_str();
        let line = lines
            .iter_mut()
            .find(|(of, _, reason)| !is_alone && *of == status && reason.is_none());
        match line {
            Some((_, resources, _)) if resources.contains(&resource) => {}
            Some((_, resources, _)) => resources.push(resource),
            None => {
                let reason = event.reason.as_deref().unwrap_or("no reason given");
                lines.push((status, vec![resource], (is_alone && !event.begins()).then_some(reason)));
            }
        }
    }
    lines
        .into_iter()
        .map(|(status, resources, reason)| {
            let text = format!("{status} {}", resources.join(", "));
            let text = text.trim_end();
            reason.map_or_else(|| text.to_owned(), |reason| format!("{text}: {reason}"))
        })
        .collect()
}

/// Why the last operation failed, the cause first. `newest_first` is the order of `DescribeStackEvents`.
///
/// CloudFormation cancels what it was at when something failed, and reports that as failures, too; and it gives the stack
/// a reason that only names the resources.
#[must_use]
pub fn causes(newest_first: &[Event]) -> Vec<String> {
    let end = newest_first
        .iter()
        .position(Event::begins)
        .unwrap_or(newest_first.len());
    let of_last: Vec<&Event> = newest_first.iter().take(end.saturating_add(1)).rev().collect();
    let told = |event: &Event| {
        let reason = event.reason.as_deref().unwrap_or("no reason given");
        format!("{} ({}): {reason}", event.resource, event.kind)
    };
    let is_consequence = |event: &Event| {
        event
            .reason
            .as_deref()
            .is_some_and(|reason| reason.starts_with("Resource ") && reason.contains("cancelled"))
    };
    let mut causes: Vec<String> = of_last
        .iter()
        .filter(|event| event.status.ends_with("_FAILED") && !event.is_of_the_stack() && !is_consequence(event))
        .map(|event| told(event))
        .collect();
    if causes.is_empty() {
        // A transform or a rule fails before any resource.
        causes = of_last
            .iter()
            .filter(|event| event.is_of_the_stack() && has_failed(&event.status) && event.reason.is_some())
            .map(|event| told(event))
            .take(1)
            .collect();
    }
    causes.dedup();
    causes
}

/// What a person can do about a reason, where it is a common one.
#[must_use]
pub fn advice(reason: &str) -> Option<&'static str> {
    let lower = reason.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    if has(&["already exists", "alreadyexists"]) {
        Some(
            "something of that name is there, and no stack of this pair made it: delete or rename it, or, if it is an \
             environment that is to stay, name it in pair.toml ([blue] existing = \"…\")",
        )
    } else if has(&[
        "not authorized",
        "accessdenied",
        "access denied",
        "unauthorizedoperation",
    ]) {
        Some("whoever runs this command lacks that permission: CloudFormation acts with the caller's own")
    } else if has(&[
        "limit exceeded",
        "limitexceeded",
        "maximum number",
        "quota",
        "servicelimitexceeded",
    ]) {
        Some("a quota of the account is used up: ask for more in Service Quotas, or remove what is not needed")
    } else if has(&[
        "incorrect_configuration",
        "not stabilized",
        "notstabilized",
        "unable to connect",
    ]) {
        Some(
            "MWAA could not start Airflow there: most often the subnets have no way to the services that it needs (NAT or \
             endpoints), or the execution role or the start-up script is wrong; the environment's log groups say more",
        )
    } else {
        None
    }
}

/// What a change set does with one resource.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Change {
    /// The resource's name in the template.
    pub resource: String,
    /// Its type.
    pub kind: String,
    /// `Add`, `Modify`, `Remove`, `Import` or `Dynamic`.
    pub action: String,
    /// `True`, `False`, `Conditional`, or nothing.
    pub replacement: String,
}

/// The resources that are never replaced or removed on the way: an environment, and what it stands on. A new bucket would
/// be an empty one, and other subnets replace the environment in the next stack.
const KEPT: [&str; 4] = [
    "AWS::MWAA::Environment",
    "AWS::S3::Bucket",
    "AWS::EC2::VPC",
    "AWS::EC2::Subnet",
];

/// The changes of a change set that would replace or remove what must be kept.
#[must_use]
pub fn replacing(changes: &[Change]) -> Vec<&Change> {
    changes
        .iter()
        .filter(|change| {
            let goes = matches!(change.action.as_str(), "Remove" | "Dynamic");
            let comes_anew = change.action == "Modify" && matches!(change.replacement.as_str(), "True" | "Conditional");
            KEPT.contains(&change.kind.as_str()) && (goes || comes_anew)
        })
        .collect()
}

/// Whether a change set that failed says that there is nothing to change.
#[must_use]
pub fn is_empty(reason: &str) -> bool {
    reason.contains("didn't contain changes") || reason.contains("No updates are to be performed")
}

/// The name of a change set, which tells what it is for: the same again has the same one.
#[must_use]
pub fn change_set_name(template_hash: &str, parameters: &BTreeMap<String, String>) -> String {
    use sha2::{Digest, Sha256};
    let mut hasher = Sha256::new();
    hasher.update(template_hash);
    for (key, value) in parameters {
        hasher.update(format!("\0{key}={value}"));
    }
    format!("mwaa-bluegreen-{}", crate::hex::short(&hasher.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(resource: &str, status: &str, reason: &str) -> Event {
        let kind = if resource == "orders-blue-base" {
            "AWS::CloudFormation::Stack"
        } else {
            "AWS::S3::Bucket"
        };
        Event {
            resource: resource.to_owned(),
            kind: kind.to_owned(),
            status: status.to_owned(),
            reason: (!reason.is_empty()).then(|| reason.to_owned()),
            ..Event::default()
        }
    }

    #[test]
    fn every_status_of_cloudformation_has_a_standing() {
        for (status, standing) in [
            (None, Standing::Absent),
            (Some("DELETE_COMPLETE"), Standing::Absent),
            (Some("REVIEW_IN_PROGRESS"), Standing::Leftover),
            (Some("CREATE_FAILED"), Standing::Leftover),
            (Some("ROLLBACK_COMPLETE"), Standing::Leftover),
            (Some("ROLLBACK_FAILED"), Standing::Leftover),
            (Some("CREATE_IN_PROGRESS"), Standing::Busy),
            (Some("DELETE_IN_PROGRESS"), Standing::Busy),
            (Some("IMPORT_IN_PROGRESS"), Standing::Busy),
            (Some("IMPORT_ROLLBACK_IN_PROGRESS"), Standing::Busy),
            (Some("ROLLBACK_IN_PROGRESS"), Standing::Busy),
            (Some("UPDATE_IN_PROGRESS"), Standing::Busy),
            (Some("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"), Standing::Busy),
            (Some("UPDATE_ROLLBACK_IN_PROGRESS"), Standing::Busy),
            (Some("UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS"), Standing::Busy),
            (Some("CREATE_COMPLETE"), Standing::Settled),
            (Some("UPDATE_COMPLETE"), Standing::Settled),
            (Some("UPDATE_ROLLBACK_COMPLETE"), Standing::Settled),
            (Some("UPDATE_FAILED"), Standing::Settled),
            (Some("IMPORT_COMPLETE"), Standing::Settled),
            (Some("IMPORT_ROLLBACK_COMPLETE"), Standing::Settled),
            (Some("UPDATE_ROLLBACK_FAILED"), Standing::Stuck),
            (Some("IMPORT_ROLLBACK_FAILED"), Standing::Stuck),
            (Some("DELETE_FAILED"), Standing::Stuck),
        ] {
            assert_eq!(Standing::of(status), standing, "{status:?}");
        }
    }

    #[test]
    fn the_cause_comes_first_and_its_consequences_not_at_all() {
        let events = [
            event("orders-blue-base", "ROLLBACK_COMPLETE", ""),
            event(
                "orders-blue-base",
                "ROLLBACK_IN_PROGRESS",
                "The following resource(s) failed to create: [Bucket, Role].",
            ),
            event("Role", "CREATE_FAILED", "Resource creation cancelled"),
            event("Second", "CREATE_FAILED", "and this, later"),
            event("Bucket", "CREATE_FAILED", "orders-x already exists"),
            event("Bucket", "CREATE_IN_PROGRESS", ""),
            event("orders-blue-base", "CREATE_IN_PROGRESS", "User Initiated"),
            event("Old", "UPDATE_FAILED", "of the operation before"),
        ];
        assert_eq!(
            causes(&events),
            [
                "Bucket (AWS::S3::Bucket): orders-x already exists",
                "Second (AWS::S3::Bucket): and this, later"
            ]
        );
        assert!(advice(&causes(&events)[0]).unwrap().contains("existing"));
    }

    #[test]
    fn a_stack_that_failed_before_its_resources_has_its_own_reason() {
        let events = [
            event("orders-blue-base", "ROLLBACK_IN_PROGRESS", "Transform failed"),
            event("orders-blue-base", "CREATE_IN_PROGRESS", ""),
        ];
        assert_eq!(
            causes(&events),
            ["orders-blue-base (AWS::CloudFormation::Stack): Transform failed"]
        );
        assert!(causes(&[]).is_empty());
    }

    #[test]
    fn an_operation_ends_with_the_own_event_of_the_stack_after_its_beginning() {
        let stack = "orders-blue-base";
        let begin = event(stack, "UPDATE_IN_PROGRESS", "User Initiated");
        let end = event(stack, "UPDATE_COMPLETE", "");
        let of = |events: &[&Event]| {
            ended(&events.iter().map(|event| (*event).clone()).collect::<Vec<_>>()).map(str::to_owned)
        };
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[&end]), None, "the end of the operation before");
        assert_eq!(
            of(&[&begin, &end]),
            None,
            "it has begun, and what ended is the one before"
        );
        let bucket = event("Bucket", "UPDATE_COMPLETE", "");
        assert_eq!(of(&[&bucket, &begin]), None, "the end of a resource");
        let cleanup = event(stack, "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "");
        assert_eq!(of(&[&cleanup, &bucket, &begin]), None);
        assert_eq!(
            of(&[&end, &cleanup, &bucket, &begin]),
            Some("UPDATE_COMPLETE".to_owned())
        );
        let back = event(stack, "UPDATE_ROLLBACK_COMPLETE", "");
        assert_eq!(of(&[&back, &begin]), Some("UPDATE_ROLLBACK_COMPLETE".to_owned()));
    }

    #[test]
    fn one_look_is_one_line_for_each_status_and_each_failure() {
        let events = [
            event("orders-blue-base", "ROLLBACK_COMPLETE", ""),
            event("orders-blue-base", "ROLLBACK_IN_PROGRESS", "failed to create: [Role]"),
            event("Role", "CREATE_FAILED", "exists"),
            event("Other", "CREATE_FAILED", "cancelled"),
            event("Policy", "CREATE_COMPLETE", ""),
            event("Bucket", "CREATE_COMPLETE", ""),
            event("Bucket", "CREATE_IN_PROGRESS", "Resource creation Initiated"),
            event("orders-blue-base", "CREATE_IN_PROGRESS", "User Initiated"),
        ];
        assert_eq!(
            news(&events),
            [
                "CREATE_IN_PROGRESS",
                "CREATE_COMPLETE Bucket, Policy",
                "CREATE_FAILED Other: cancelled",
                "CREATE_FAILED Role: exists",
                "ROLLBACK_IN_PROGRESS: failed to create: [Role]",
            ]
        );
        assert!(news(&events[6..7]).is_empty());
    }

    #[test]
    fn an_environment_and_what_it_stands_on_is_never_replaced() {
        let change = |kind: &str, action: &str, replacement: &str| Change {
            resource: "R".to_owned(),
            kind: kind.to_owned(),
            action: action.to_owned(),
            replacement: replacement.to_owned(),
        };
        for (kind, action, replacement, refused) in [
            ("AWS::MWAA::Environment", "Modify", "False", false),
            ("AWS::MWAA::Environment", "Modify", "True", true),
            ("AWS::MWAA::Environment", "Modify", "Conditional", true),
            ("AWS::MWAA::Environment", "Remove", "", true),
            ("AWS::MWAA::Environment", "Dynamic", "", true),
            ("AWS::MWAA::Environment", "Add", "", false),
            ("AWS::S3::Bucket", "Modify", "True", true),
            ("AWS::EC2::Subnet", "Remove", "", true),
            ("AWS::IAM::Role", "Modify", "True", false),
        ] {
            let one = [change(kind, action, replacement)];
            assert_eq!(!replacing(&one).is_empty(), refused, "{one:?}");
        }
    }

    #[test]
    fn a_change_set_is_named_by_what_it_deploys() {
        let of = |value: &str| change_set_name("hash", &BTreeMap::from([("A".to_owned(), value.to_owned())]));
        assert_eq!(of("1"), of("1"));
        assert_ne!(of("1"), of("2"));
        assert!(of("1").len() < 128 && of("1").starts_with("mwaa-bluegreen-"));
    }
}

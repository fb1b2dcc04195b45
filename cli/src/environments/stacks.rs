//! CloudFormation: stacks as they are, change sets, events.
//!
//! Every request here may be sent twice without harm: a change set has a token, and whoever executes one looks first. So
//! each is repeated after a throttle, a time-out or a server's error, with growing waits.

use std::collections::BTreeMap;
use std::error::Error;

use aws_config::{Region, SdkConfig};
use aws_sdk_cloudformation::types::{Capability, ChangeSetType, Parameter};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_smithy_types::retry::RetryConfig;
use bluegreen_environments::operation::{Change, Event};
use bluegreen_environments::stack::DeployedStack;

use crate::connection::Connection;
use crate::failure::{Asked, Failure, from_sdk};
use crate::sdk_config;

/// How often one request is sent. Several people's pipelines share an account's few requests a second.
const TRIES: u32 = 8;

/// Pages of events that are read at most: 100 events each.
const MOST_PAGES: usize = 20;

/// The stacks of one region, and who asks.
#[derive(Debug, Clone)]
pub(crate) struct Stacks {
    client: aws_sdk_cloudformation::Client,
    region: String,
    endpoint: Option<String>,
    profile: Option<String>,
}

/// A stack as it was found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Found {
    pub(crate) stack: DeployedStack,
    /// Its id: the only name by which a deleted stack can be asked for.
    pub(crate) id: String,
    /// Whether it has termination protection.
    pub(crate) protected: bool,
}

/// What a change set shall do.
#[derive(Debug, Clone)]
pub(crate) struct NewChangeSet<'a> {
    pub(crate) stack: &'a str,
    pub(crate) name: &'a str,
    pub(crate) is_creation: bool,
    pub(crate) template: Template<'a>,
    pub(crate) parameters: &'a BTreeMap<String, String>,
}

/// A template, or where a long one lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Template<'a> {
    Text(&'a str),
    Url(&'a str),
}

/// The longest template that can be sent itself.
pub(crate) const LONGEST_TEMPLATE: usize = 51_200;

/// A change set as it was found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct ChangeSet {
    pub(crate) status: String,
    pub(crate) execution: String,
    pub(crate) reason: String,
    pub(crate) changes: Vec<Change>,
}

impl ChangeSet {
    /// Whether CloudFormation is still making it.
    pub(crate) fn is_pending(&self) -> bool {
        self.status.ends_with("_PENDING") || self.status.ends_with("_IN_PROGRESS")
    }

    pub(crate) fn is_executable(&self) -> bool {
        self.status == "CREATE_COMPLETE" && self.execution == "AVAILABLE"
    }

    /// Whether it was executed, however that ended.
    pub(crate) fn is_executed(&self) -> bool {
        self.execution.starts_with("EXECUTE_")
    }
}

/// A request, for the message about its failure.
#[derive(Debug, Clone, Copy)]
struct Doing<'a> {
    what: &'a str,
    stack: &'a str,
    permission: &'static str,
}

impl Stacks {
    pub(crate) fn new(config: &SdkConfig, connection: &Connection, region: &str) -> Self {
        let settings = aws_sdk_cloudformation::config::Builder::from(config)
            .region(Region::new(region.to_owned()))
            .retry_config(RetryConfig::standard().with_max_attempts(TRIES))
            .timeout_config(sdk_config::timeouts(connection.timeout))
            .build();
        Self {
            client: aws_sdk_cloudformation::Client::from_conf(settings),
            region: region.to_owned(),
            endpoint: config.endpoint_url().map(str::to_owned),
            profile: connection.profile.clone(),
        }
    }

    pub(crate) fn region(&self) -> &str {
        &self.region
    }

    /// A stack by its name or id; `None` if there is none.
    pub(crate) async fn describe(&self, stack: &str) -> Result<Option<Found>, Failure> {
        let doing = Doing {
            what: "describing",
            stack,
            permission: "cloudformation:DescribeStacks",
        };
        let answer = match self.client.describe_stacks().stack_name(stack).send().await {
            Ok(answer) => answer,
            Err(error) if is_missing(&error) => return Ok(None),
            Err(error) => return Err(self.explained(&error, doing)),
        };
        Ok(answer.stacks().first().map(|found| Found {
            stack: DeployedStack {
                name: found.stack_name().unwrap_or(stack).to_owned(),
                status: text(
                    found
                        .stack_status()
                        .map(aws_sdk_cloudformation::types::StackStatus::as_str),
                ),
                status_reason: found.stack_status_reason().map(str::to_owned),
                parameters: found
                    .parameters()
                    .iter()
                    .filter_map(|one| Some((one.parameter_key()?.to_owned(), text(one.parameter_value()))))
                    .collect(),
                outputs: found
                    .outputs()
                    .iter()
                    .filter_map(|one| Some((one.output_key()?.to_owned(), text(one.output_value()))))
                    .collect(),
            },
            id: text(found.stack_id()),
            protected: found.enable_termination_protection().unwrap_or(false),
        }))
    }

    /// The template that a stack was deployed with, word for word.
    pub(crate) async fn template(&self, stack: &str) -> Result<String, Failure> {
        let doing = Doing {
            what: "reading the template of",
            stack,
            permission: "cloudformation:GetTemplate",
        };
        self.client
            .get_template()
            .stack_name(stack)
            .template_stage(aws_sdk_cloudformation::types::TemplateStage::Original)
            .send()
            .await
            .map(|answer| text(answer.template_body()))
            .map_err(|error| self.explained(&error, doing))
    }

    /// Makes a change set; false if there is one of that name.
    pub(crate) async fn create_change_set(&self, wanted: &NewChangeSet<'_>) -> Result<bool, Failure> {
        let doing = Doing {
            what: "making a change set of",
            stack: wanted.stack,
            permission: "cloudformation:CreateChangeSet and iam:CreateRole",
        };
        let parameters: Vec<Parameter> = wanted
            .parameters
            .iter()
            .map(|(key, value)| Parameter::builder().parameter_key(key).parameter_value(value).build())
            .collect();
        let request = self
            .client
            .create_change_set()
            .stack_name(wanted.stack)
            .change_set_name(wanted.name)
            // The same change set for a request that is sent again, and an error for that of another run.
            .client_token(format!("{}-{:016x}", wanted.name, fastrand::u64(..)))
            .change_set_type(if wanted.is_creation {
                ChangeSetType::Create
            } else {
                ChangeSetType::Update
            })
            .capabilities(Capability::CapabilityIam)
            .capabilities(Capability::CapabilityAutoExpand)
            .set_parameters(Some(parameters));
        let request = match wanted.template {
            Template::Text(text) => request.template_body(text),
            Template::Url(url) => request.template_url(url),
        };
        match request.send().await {
            Ok(_) => Ok(true),
            Err(error) if error.code() == Some("AlreadyExistsException") => Ok(false),
            // The code of AWS's older answer.
            Err(error) if error.message().is_some_and(|text| text.contains("already exists")) => Ok(false),
            Err(error) => Err(self.explained(&error, doing)),
        }
    }

    /// A change set, with all its changes; `None` if there is none.
    pub(crate) async fn change_set(&self, stack: &str, name: &str) -> Result<Option<ChangeSet>, Failure> {
        let doing = Doing {
            what: "describing the change set of",
            stack,
            permission: "cloudformation:DescribeChangeSet",
        };
        let mut found = ChangeSet::default();
        let mut next: Option<String> = None;
        loop {
            let answer = self
                .client
                .describe_change_set()
                .stack_name(stack)
                .change_set_name(name)
                .set_next_token(next.clone())
                .send()
                .await;
            let page = match answer {
                Ok(page) => page,
                Err(error) if error.code() == Some("ChangeSetNotFound") || is_missing(&error) => return Ok(None),
                Err(error) => return Err(self.explained(&error, doing)),
            };
            found.status = text(
                page.status()
                    .map(aws_sdk_cloudformation::types::ChangeSetStatus::as_str),
            );
            found.execution = text(
                page.execution_status()
                    .map(aws_sdk_cloudformation::types::ExecutionStatus::as_str),
            );
            found.reason = text(page.status_reason());
            found.changes.extend(
                page.changes()
                    .iter()
                    .filter_map(|change| change.resource_change())
                    .map(|change| Change {
                        resource: text(change.logical_resource_id()),
                        kind: text(change.resource_type()),
                        action: text(change.action().map(aws_sdk_cloudformation::types::ChangeAction::as_str)),
                        replacement: text(
                            change
                                .replacement()
                                .map(aws_sdk_cloudformation::types::Replacement::as_str),
                        ),
                    }),
            );
            next = page.next_token().map(str::to_owned);
            if next.is_none() {
                return Ok(Some(found));
            }
        }
    }

    /// Executes a change set. The caller looks whether it was carried out: an error may have come after it.
    pub(crate) async fn execute(&self, stack: &str, name: &str) -> Result<(), Failure> {
        let doing = Doing {
            what: "executing the change set of",
            stack,
            permission: "cloudformation:ExecuteChangeSet",
        };
        self.client
            .execute_change_set()
            .stack_name(stack)
            .change_set_name(name)
            .client_request_token(format!("{name}-{:016x}", fastrand::u64(..)))
            .send()
            .await
            .map(drop)
            .map_err(|error| self.explained(&error, doing))
    }

    /// Deletes a change set; nothing if there is none.
    pub(crate) async fn delete_change_set(&self, stack: &str, name: &str) -> Result<(), Failure> {
        let doing = Doing {
            what: "deleting the change set of",
            stack,
            permission: "cloudformation:DeleteChangeSet",
        };
        match self
            .client
            .delete_change_set()
            .stack_name(stack)
            .change_set_name(name)
            .send()
            .await
        {
            Ok(_) => Ok(()),
            Err(error) if error.code() == Some("ChangeSetNotFound") || is_missing(&error) => Ok(()),
            Err(error) => Err(self.explained(&error, doing)),
        }
    }

    /// The events after the one with id `since`, the newest first; all of them if there is none such.
    pub(crate) async fn events(&self, stack: &str, since: Option<&str>) -> Result<Vec<Event>, Failure> {
        self.events_until(stack, |event| since == Some(event.id.as_str()), false)
            .await
    }

    /// The events of the last operation, the newest first.
    pub(crate) async fn last_operation(&self, stack: &str) -> Result<Vec<Event>, Failure> {
        self.events_until(stack, Event::begins, true).await
    }

    async fn events_until(
        &self,
        stack: &str,
        is_end: impl Fn(&Event) -> bool,
        with_end: bool,
    ) -> Result<Vec<Event>, Failure> {
        let doing = Doing {
            what: "reading the events of",
            stack,
            permission: "cloudformation:DescribeStackEvents",
        };
        let mut events = Vec::new();
        let mut next: Option<String> = None;
        for _ in 0..MOST_PAGES {
            let answer = self
                .client
                .describe_stack_events()
                .stack_name(stack)
                .set_next_token(next.clone())
                .send()
                .await;
            let page = match answer {
                Ok(page) => page,
                Err(error) if is_missing(&error) => return Ok(events),
                Err(error) => return Err(self.explained(&error, doing)),
            };
            for one in page.stack_events() {
                let event = Event {
                    id: text(one.event_id()),
                    resource: text(one.logical_resource_id()),
                    kind: text(one.resource_type()),
                    status: text(
                        one.resource_status()
                            .map(aws_sdk_cloudformation::types::ResourceStatus::as_str),
                    ),
                    reason: one.resource_status_reason().map(str::to_owned),
                };
                let ends = is_end(&event);
                if !ends || with_end {
                    events.push(event);
                }
                if ends {
                    return Ok(events);
                }
            }
            next = page.next_token().map(str::to_owned);
            if next.is_none() {
                break;
            }
        }
        Ok(events)
    }

    /// Begins to delete a stack; nothing if there is none.
    pub(crate) async fn delete(&self, stack: &str) -> Result<(), Failure> {
        let doing = Doing {
            what: "deleting",
            stack,
            permission: "cloudformation:DeleteStack",
        };
        self.client
            .delete_stack()
            .stack_name(stack)
            .send()
            .await
            .map(drop)
            .map_err(|error| self.explained(&error, doing))
    }

    /// Puts termination protection on a stack, or takes it off.
    pub(crate) async fn protect(&self, stack: &str, protected: bool) -> Result<(), Failure> {
        let doing = Doing {
            what: "setting the termination protection of",
            stack,
            permission: "cloudformation:UpdateTerminationProtection",
        };
        self.client
            .update_termination_protection()
            .stack_name(stack)
            .enable_termination_protection(protected)
            .send()
            .await
            .map(drop)
            .map_err(|error| self.explained(&error, doing))
    }

    fn explained<E>(&self, error: &SdkError<E, HttpResponse>, doing: Doing<'_>) -> Failure
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        from_sdk(
            error,
            Asked {
                doing: doing.what,
                of: &format!("stack {}", doing.stack),
                region: &self.region,
                permission: doing.permission,
                changes: false,
                direct_works: false,
                endpoint: self.endpoint.as_deref(),
                profile: self.profile.as_deref(),
            },
        )
    }
}

fn text(given: Option<&str>) -> String {
    given.unwrap_or_default().to_owned()
}

/// CloudFormation has no code of its own for a stack that is not there.
fn is_missing<E>(error: &SdkError<E, HttpResponse>) -> bool
where
    E: ProvideErrorMetadata,
{
    error.code() == Some("ValidationError") && error.message().is_some_and(|text| text.contains("does not exist"))
}

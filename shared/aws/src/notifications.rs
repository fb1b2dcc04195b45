//! SNS: the topic that people subscribe to.

use aws_config::SdkConfig;
use aws_sdk_sns::Client;
use bluegreen_core::notification::Notification;
use bluegreen_core::switch::Failure;

use crate::error::classify;

/// The pair's topic. News is rare, so its client is built when there is some.
#[derive(Debug, Clone)]
pub struct Notifications {
    client: Client,
    topic: String,
}

impl Notifications {
    /// Over AWS settings, for one topic.
    pub fn new(shared: &SdkConfig, topic: String) -> Self {
        Self {
            client: Client::new(shared),
            topic,
        }
    }

    /// Publishes one; answers the id that SNS gave it. Sent again after an error it may arrive twice.
    pub async fn publish(&self, notification: &Notification) -> Result<Option<String>, Failure> {
        let answer = self
            .client
            .publish()
            .topic_arn(&self.topic)
            .subject(&notification.subject)
            .message(&notification.body)
            .send()
            .await
            .map_err(|error| classify(&error))?;
        Ok(answer.message_id)
    }
}

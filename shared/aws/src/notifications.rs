//! SNS: the topic that people subscribe to.

use aws_config::SdkConfig;
use aws_sdk_sns::Client;
use bluegreen_core::claim::Failure;
use bluegreen_core::notification::Notification;

use crate::error::classify;

/// The pair's topic. Notifications are rare, so the client is built when the first one is sent.
#[derive(Debug, Clone)]
pub struct Notifications {
    client: Client,
    topic: String,
}

impl Notifications {
    /// The topic, over AWS settings.
    pub fn new(shared: &SdkConfig, topic: String) -> Self {
        Self {
            client: Client::new(shared),
            topic,
        }
    }

    /// Publishes one notification; returns the id that SNS gave it. A retry after an error may deliver it twice.
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

//! CloudWatch PutMetricData: this product's own metrics.

use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::types::{Dimension, MetricDatum, StandardUnit};
use aws_smithy_types::DateTime;
use bluegreen_core::claim::Failure;
use bluegreen_core::metric::{Metric, MetricUnit, NAMESPACE};

use crate::clients::OnDemand;
use crate::error::classify;

/// The maximum number of data in one PutMetricData.
const DATA_A_CALL: usize = 1000;

/// The metrics of one pair.
#[derive(Debug, Clone)]
pub struct Metrics {
    client: OnDemand<Client>,
    pair: String,
}

impl Metrics {
    /// The metrics of one pair, over a client.
    pub fn new(client: OnDemand<Client>, pair: String) -> Self {
        Self { client, pair }
    }

    /// Publishes metrics, in one request.
    pub async fn publish(&self, metrics: &[Metric]) -> Result<(), Failure> {
        for chunk in metrics.chunks(DATA_A_CALL) {
            let data = chunk.iter().map(|metric| self.datum(metric)).collect();
            self.client
                .put_metric_data()
                .namespace(NAMESPACE)
                .set_metric_data(Some(data))
                .send()
                .await
                .map_err(|error| classify(&error))?;
        }
        Ok(())
    }

    fn datum(&self, metric: &Metric) -> MetricDatum {
        let mut datum = MetricDatum::builder()
            .metric_name(metric.name.as_str())
            .value(metric.value)
            .timestamp(DateTime::from_millis(metric.at.as_millisecond()))
            .unit(match metric.name.entry().unit {
                MetricUnit::Count => StandardUnit::Count,
                MetricUnit::Seconds => StandardUnit::Seconds,
                MetricUnit::Milliseconds => StandardUnit::Milliseconds,
            })
            .dimensions(Dimension::builder().name("Pair").value(&self.pair).build());
        if let Some((name, value)) = metric.dimension() {
            datum = datum.dimensions(Dimension::builder().name(name).value(value).build());
        }
        datum.build()
    }
}

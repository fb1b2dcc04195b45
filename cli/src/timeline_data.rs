//! Fetches the pair's metrics for the timeline.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use aws_config::{Region, SdkConfig};
use aws_sdk_cloudwatch::types::{Dimension, Metric, MetricDataQuery, MetricStat, ScanBy};
use aws_smithy_types::DateTime;
use bluegreen_aws::clock::Clock;
use bluegreen_core::color::{Both, Color};
use bluegreen_core::drill::DrillOutcome;
use bluegreen_core::metric::{MetricDimension, NAMESPACE};
use bluegreen_core::printable::visible;
use bluegreen_core::time::{before, elapsed};
use bluegreen_core::transition::Kind;
use jiff::Timestamp;

use crate::arguments::Chart;
use crate::connection::{Connection, Output};
use crate::failure::{Asked, Failure, exit, from_sdk};
use crate::timeline_svg::{self, Mark, Span, Timeline, spans};
use crate::{sdk_config, settings, terminal};

/// The points of each series, by source.
type Series = BTreeMap<Source, Vec<(f64, f64)>>;

/// One metric in CloudWatch.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Source {
    Heartbeat(Color),
    Own {
        name: &'static str,
        dimension: Option<(&'static str, String)>,
    },
}

impl Source {
    fn own(name: &'static str) -> Self {
        Self::Own { name, dimension: None }
    }

    fn with(name: &'static str, dimension: &'static str, value: &str) -> Self {
        Self::Own {
            name,
            dimension: Some((dimension, value.to_owned())),
        }
    }

    /// Events are counted, durations must not be averaged away, states are averaged.
    fn statistic(&self) -> &'static str {
        match self {
            Self::Heartbeat(_) => "Sum",
            Self::Own { name, .. } => match *name {
                "Transitions" | "FailoverBlocked" | "DrillOutcome" => "Sum",
                "RecoveryTime" => "Maximum",
                _ => "Average",
            },
        }
    }
}

/// The settings that the timeline needs.
struct Pair {
    environments: Both<String>,
    regions: Both<String>,
    /// How long a datum is valid while the pair is calm.
    lasts: f64,
}

pub(crate) async fn chart(connection: &Connection, options: &Chart) -> Result<u8, Failure> {
    let Output::Picture(file) = &connection.output else {
        return Err(Failure::Usage(
            "chart writes a picture: give --output FILE.svg".to_owned(),
        ));
    };
    let (from, to) = range(options, Clock::system().now())?;
    let length = elapsed(from, to).as_secs();
    let period = options.period.unwrap_or(match length {
        0..=86_400 => 60,
        86_401..=1_209_600 => 300,
        _ => 3600,
    });
    let (config, pair) = pair(connection).await?;
    let region = config.region().map(ToString::to_string).unwrap_or_default();
    let mut series = fetch(&config, &region, connection, own_sources(), &pair, from, to, period).await?;
    for color in Color::BOTH {
        let region = pair.regions.of(color);
        let sources = vec![Source::Heartbeat(color)];
        series.extend(fetch(&config, region, connection, sources, &pair, from, to, period).await?);
    }
    if series.values().all(Vec::is_empty) {
        return Err(Failure::Aws(format!(
            "CloudWatch has no metrics of pair {} in {region} from {} to {}; are the pair, the region and the time right?",
            connection.pair,
            terminal::moment(from),
            terminal::moment(to)
        )));
    }
    let timeline = timeline(&connection.pair, &region, &series, &pair, (from, to), period);
    let svg = timeline_svg::draw(&timeline)
        .map_err(|error| Failure::File(format!("the picture cannot be drawn: {error}")))?;
    std::fs::write(file, svg)
        .map_err(|error| Failure::File(format!("{} cannot be written: {error}", file.display())))?;
    print_timeline(file, &timeline)
}

fn print_timeline(file: &Path, timeline: &Timeline) -> Result<u8, Failure> {
    terminal::out(&format!(
        "{}: {}, {}, {}\n",
        visible(&file.display().to_string()),
        terminal::count(timeline.transitions.len(), "transition"),
        terminal::count(timeline.blocked.len(), "time") + " blocked",
        terminal::count(timeline.drills.len(), "drill"),
    ))?;
    Ok(exit::DONE)
}

fn range(options: &Chart, now: Timestamp) -> Result<(Timestamp, Timestamp), Failure> {
    let instant = |name: &str, text: &str| {
        text.parse::<Timestamp>().map_err(|_| {
            Failure::Usage(format!(
                "{name} is {text:?}; allowed is an instant such as 2026-11-23T10:00:00Z"
            ))
        })
    };
    let to = options.to.as_deref().map_or(Ok(now), |text| instant("--to", text))?;
    let from = match options.from.as_deref() {
        Some(text) => instant("--from", text)?,
        None => before(to, length(&options.last)?),
    };
    if from >= to {
        return Err(Failure::Usage(format!("--from {from} is not before {to}")));
    }
    Ok((from, to))
}

/// Parses `90s`, `30m`, `2h` or `7d`.
fn length(text: &str) -> Result<Duration, Failure> {
    let units = [('s', 1), ('m', 60), ('h', 3600), ('d', 86400)];
    units
        .iter()
        .find_map(|(unit, seconds)| text.strip_suffix(*unit)?.parse::<u64>().ok()?.checked_mul(*seconds))
        // CloudWatch keeps data for 15 months.
        .filter(|seconds| (10..=455 * 86400).contains(seconds))
        .map(Duration::from_secs)
        .ok_or_else(|| {
            Failure::Usage(format!(
                "--last is {text:?}; allowed is a number with s, m, h or d, such as 2h, from 10s to 455d"
            ))
        })
}

/// From the function's settings, or with `--direct` from the saved ones.
async fn pair(connection: &Connection) -> Result<(SdkConfig, Pair), Failure> {
    if connection.direct {
        let found = settings::local(connection)?;
        let config = sdk_config::configure(connection, found.region.as_deref()).await?;
        let here = config.region().map(ToString::to_string).unwrap_or_default();
        let settings = found.settings;
        let pair = Pair {
            environments: settings.environments.map(|_, environment| environment.name.clone()),
            regions: settings
                .environments
                .map(|_, environment| environment.region.clone().unwrap_or_else(|| here.clone())),
            lasts: lasts(settings.metrics_interval_minutes),
        };
        return Ok((config, pair));
    }
    let config = sdk_config::configure(connection, None).await?;
    let here = config.region().map(ToString::to_string).unwrap_or_default();
    let values = settings::of_function(connection, &config, &here, true).await?;
    let value = |name: &str| values.get(name).cloned().filter(|value| !value.is_empty());
    let of = |color: Color, what: &str| value(&format!("{}_{what}", color.as_str().to_ascii_uppercase()));
    let interval = value("METRICS_INTERVAL_MINUTES")
        .and_then(|minutes| minutes.parse().ok())
        .unwrap_or(5);
    let pair = Pair {
        environments: Both::from_fn(|color| of(color, "ENVIRONMENT_NAME").unwrap_or_default()),
        regions: Both::from_fn(|color| of(color, "REGION").unwrap_or_else(|| here.clone())),
        lasts: lasts(interval),
    };
    Ok((config, pair))
}

/// One missed publication is tolerated.
fn lasts(interval_minutes: u32) -> f64 {
    f64::from(interval_minutes) * 120.0 + 60.0
}

fn own_sources() -> Vec<Source> {
    let mut sources = vec![Source::own("RecoveryTime"), Source::own("ReadinessScore")];
    for color in Color::BOTH {
        sources.push(Source::with("ActiveEnvironment", "Color", color.as_str()));
        sources.push(Source::with("EnvironmentHealthy", "Color", color.as_str()));
    }
    sources.extend(
        Kind::ALL
            .iter()
            .map(|kind| Source::with("Transitions", "Kind", kind.as_str())),
    );
    sources.extend(
        MetricDimension::Precondition
            .values()
            .into_iter()
            .map(|precondition| Source::with("FailoverBlocked", "Precondition", precondition)),
    );
    sources.extend(
        DrillOutcome::ENDS
            .iter()
            .map(|outcome| Source::with("DrillOutcome", "Outcome", outcome.as_str())),
    );
    sources
}

fn metric(source: &Source, connection: &Connection, pair: &Pair) -> Metric {
    let dimension = |name: &str, value: &str| Dimension::builder().name(name).value(value).build();
    match source {
        Source::Heartbeat(color) => Metric::builder()
            .namespace("AmazonMWAA")
            .metric_name("SchedulerHeartbeat")
            .dimensions(dimension("Function", "Scheduler"))
            .dimensions(dimension("Environment", pair.environments.of(*color)))
            .build(),
        Source::Own {
            name,
            dimension: second,
        } => {
            let metric = Metric::builder()
                .namespace(NAMESPACE)
                .metric_name(*name)
                .dimensions(dimension("Pair", &connection.pair));
            match second {
                Some((name, value)) => metric.dimensions(dimension(name, value)).build(),
                None => metric.build(),
            }
        }
    }
}

#[expect(clippy::too_many_arguments, reason = "one request, told once")]
async fn fetch(
    config: &SdkConfig,
    region: &str,
    connection: &Connection,
    sources: Vec<Source>,
    pair: &Pair,
    from: Timestamp,
    to: Timestamp,
    period: i32,
) -> Result<Series, Failure> {
    let own = aws_sdk_cloudwatch::config::Builder::from(config).region(Region::new(region.to_owned()));
    let client = aws_sdk_cloudwatch::Client::from_conf(own.build());
    let queries = sources.iter().enumerate().map(|(index, source)| {
        let stat = MetricStat::builder()
            .metric(metric(source, connection, pair))
            .period(period)
            .stat(source.statistic())
            .build();
        MetricDataQuery::builder()
            .id(format!("m{index}"))
            .metric_stat(stat)
            .build()
    });
    let mut pages = client
        .get_metric_data()
        .start_time(DateTime::from_millis(from.as_millisecond()))
        .end_time(DateTime::from_millis(to.as_millisecond()))
        .scan_by(ScanBy::TimestampAscending)
        .set_metric_data_queries(Some(queries.collect()))
        .into_paginator()
        .send();
    let mut series: Series = sources.iter().map(|source| (source.clone(), Vec::new())).collect();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| {
            let asked = Asked {
                doing: "reading the metrics from",
                of: "CloudWatch",
                region,
                permission: "cloudwatch:GetMetricData",
                changes: false,
                direct_works: false,
                endpoint: config.endpoint_url(),
                profile: connection.profile.as_deref(),
            };
            from_sdk(&error, asked)
        })?;
        for result in page.metric_data_results() {
            let index = result.id().and_then(|id| id.strip_prefix('m')?.parse::<usize>().ok());
            let Some(points) = index
                .and_then(|index| sources.get(index))
                .and_then(|source| series.get_mut(source))
            else {
                continue;
            };
            points.extend(
                result
                    .timestamps()
                    .iter()
                    .zip(result.values())
                    .map(|(at, value)| (at.as_secs_f64(), *value)),
            );
        }
    }
    Ok(series)
}

fn timeline(
    name: &str,
    region: &str,
    series: &Series,
    pair: &Pair,
    (from, to): (Timestamp, Timestamp),
    period: i32,
) -> Timeline {
    let seconds = |at: Timestamp| at.as_duration().as_secs_f64();
    let (from, to, step) = (seconds(from), seconds(to), f64::from(period));
    let of = |source: Source| series.get(&source).cloned().unwrap_or_default();
    let lasts = pair.lasts.max(step);
    let changes: Vec<(f64, f64)> = Kind::ALL
        .into_iter()
        .filter(|kind| *kind != Kind::Initialize)
        .flat_map(|kind| of(Source::with("Transitions", "Kind", kind.as_str())))
        .collect();
    let active = active(&of(Source::with("ActiveEnvironment", "Color", "blue")), &changes);
    let healthy = Both::from_fn(|color| {
        let points: Vec<(f64, bool)> = of(Source::with("EnvironmentHealthy", "Color", color.as_str()))
            .into_iter()
            .map(|(at, value)| (at, value > 0.5))
            .collect();
        spans(&points, lasts, to)
    });
    let recoveries = of(Source::own("RecoveryTime"));
    let mut transitions = Vec::new();
    for kind in Kind::ALL {
        for (at, number) in of(Source::with("Transitions", "Kind", kind.as_str())) {
            let recovery = recoveries
                .iter()
                .find(|(other, _)| kind == Kind::Failover && (other - at).abs() <= step);
            let mut label = kind.as_str().to_owned();
            if number > 1.5 {
                label = format!("{number:.0} x {label}");
            }
            if let Some((_, seconds)) = recovery {
                label = format!("{label}, {seconds:.0} s");
            }
            transitions.push(Mark {
                at,
                label,
                good: kind != Kind::Failover && kind != Kind::Restore,
            });
        }
    }
    transitions.sort_by(|one, other| one.at.total_cmp(&other.at));
    let over = over(&active, &healthy);
    let mut blocked: Vec<Span<String>> = Vec::new();
    for precondition in MetricDimension::Precondition.values() {
        let points: Vec<(f64, String)> = of(Source::with("FailoverBlocked", "Precondition", precondition))
            .into_iter()
            .map(|(at, _)| (at, precondition.to_owned()))
            .collect();
        // While a failover is wanted, every tick publishes, once a minute.
        blocked.extend(spans(&points, step.max(90.0), to));
    }
    for span in &mut blocked {
        let end = over
            .iter()
            .copied()
            .filter(|at| *at > span.from)
            .fold(span.to, f64::min);
        span.to = end;
    }
    blocked.sort_by(|one, other| one.from.total_cmp(&other.from));
    let mut drills: Vec<Mark> = DrillOutcome::ENDS
        .iter()
        .flat_map(|outcome| {
            of(Source::with("DrillOutcome", "Outcome", outcome.as_str()))
                .into_iter()
                .filter(|(_, value)| *value > 0.5)
                .map(|(at, _)| Mark {
                    at,
                    label: outcome.to_string(),
                    good: *outcome == DrillOutcome::Succeeded,
                })
        })
        .collect();
    drills.sort_by(|one, other| one.at.total_cmp(&other.at));
    Timeline {
        title: format!(
            "{name} in {region}: {} and {}",
            pair.environments.blue, pair.environments.green
        ),
        from,
        to,
        active: spans(&active, lasts, to),
        healthy,
        heartbeats: Both::from_fn(|color| of(Source::Heartbeat(color))),
        heartbeat_unit: match period {
            60 => "a minute".to_owned(),
            1 => "a second".to_owned(),
            other => format!("in {other} s"),
        },
        transitions,
        blocked,
        drills,
        readiness: of(Source::own("ReadinessScore")),
    }
}

/// Which color is active from when on, by blue's metric. If a datapoint contains both a 1 and a 0, the flag changed
/// within it. An odd number of changes ended with the other color.
fn active(blue: &[(f64, f64)], transitions: &[(f64, f64)]) -> Vec<(f64, Color)> {
    let mut active: Vec<(f64, Color)> = Vec::new();
    for (at, value) in blue {
        let number: f64 = transitions
            .iter()
            .filter(|(other, _)| (other - at).abs() < 0.5)
            .map(|(_, counted)| counted)
            .sum();
        let color = match active.last() {
            Some((_, before)) if *value > 0.01 && *value < 0.99 => {
                if number > 0.5 && number.rem_euclid(2.0) < 0.5 {
                    *before
                } else {
                    before.other()
                }
            }
            _ if *value > 0.5 => Color::Blue,
            _ => Color::Green,
        };
        active.push((*at, color));
    }
    active
}

/// When a block ends together with its cause: the active is healthy again, or another color is active.
fn over(active: &[(f64, Color)], healthy: &Both<Vec<Span<bool>>>) -> Vec<f64> {
    active
        .iter()
        .zip(active.iter().skip(1))
        .filter(|(one, next)| one.1 != next.1)
        .map(|(_, next)| next.0)
        .chain(Color::BOTH.into_iter().flat_map(|color| {
            let well = healthy.of(color).iter().filter(|span| span.what).map(|span| span.from);
            well.filter(|at| active_at(active, *at) == Some(color))
                .collect::<Vec<_>>()
        }))
        .collect()
}

fn active_at(active: &[(f64, Color)], at: f64) -> Option<Color> {
    active
        .iter()
        .rev()
        .find(|(from, _)| *from <= at)
        .map(|(_, color)| *color)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_datapoint_of_both_colors_is_a_change() {
        use Color::{Blue, Green};
        let colors = |blue: &[f64], changes: &[(f64, f64)]| -> Vec<Color> {
            let times = [0.0, 60.0, 120.0, 180.0];
            let points: Vec<(f64, f64)> = times.into_iter().zip(blue.iter().copied()).collect();
            active(&points, changes).into_iter().map(|(_, color)| color).collect()
        };
        assert_eq!(colors(&[1.0, 0.5, 0.0], &[(60.0, 1.0)]), [Blue, Green, Green]);
        assert_eq!(
            colors(&[1.0, 0.5], &[(60.0, 1.0)]),
            [Blue, Green],
            "nothing was published since"
        );
        assert_eq!(
            colors(&[1.0, 0.6, 1.0], &[(60.0, 2.0)]),
            [Blue, Blue, Blue],
            "there and back"
        );
        assert_eq!(colors(&[0.0, 0.5, 1.0], &[(60.0, 1.0)]), [Green, Blue, Blue]);
        assert_eq!(colors(&[1.0, 0.3], &[]), [Blue, Green], "its count has not arrived yet");
        assert_eq!(colors(&[0.7, 0.0], &[(0.0, 1.0)]), [Blue, Green]);
    }

    #[test]
    fn lengths_are_read_as_people_write_them() {
        assert_eq!(length("2h").unwrap(), Duration::from_secs(7200));
        assert_eq!(length("90s").unwrap(), Duration::from_secs(90));
        for text in ["", "2", "h", "-2h", "2w", "999999d", "1s", "99999999999999999999d"] {
            assert!(length(text).is_err(), "{text}");
        }
    }

    #[test]
    fn metrics_become_a_timeline() {
        let mut series = Series::new();
        let mut put = |source: Source, points: &[(f64, f64)]| series.insert(source, points.to_vec());
        put(
            Source::with("ActiveEnvironment", "Color", "blue"),
            &[(0.0, 1.0), (300.0, 1.0), (600.0, 0.0)],
        );
        put(
            Source::with("ActiveEnvironment", "Color", "green"),
            &[(0.0, 0.0), (300.0, 0.0), (600.0, 1.0)],
        );
        put(
            Source::with("EnvironmentHealthy", "Color", "blue"),
            &[(0.0, 1.0), (300.0, 1.0), (480.0, 0.0)],
        );
        put(Source::with("Transitions", "Kind", "failover"), &[(600.0, 1.0)]);
        put(Source::own("RecoveryTime"), &[(600.0, 124.4)]);
        put(
            Source::with("FailoverBlocked", "Precondition", "cooldown"),
            &[(480.0, 1.0), (540.0, 1.0)],
        );
        put(Source::with("DrillOutcome", "Outcome", "succeeded"), &[(60.0, 1.0)]);
        let pair = Pair {
            environments: Both {
                blue: "ob".into(),
                green: "og".into(),
            },
            regions: Both {
                blue: String::new(),
                green: String::new(),
            },
            lasts: lasts(5),
        };
        let at = |second| Timestamp::from_second(second).unwrap();
        let drawn = timeline("orders", "us-east-2", &series, &pair, (at(0), at(900)), 60);
        assert_eq!(
            drawn.active,
            [
                Span {
                    from: 0.0,
                    to: 600.0,
                    what: Color::Blue
                },
                Span {
                    from: 600.0,
                    to: 900.0,
                    what: Color::Green
                }
            ]
        );
        assert_eq!(
            drawn.healthy.blue.last(),
            Some(&Span {
                from: 480.0,
                to: 900.0,
                what: false
            })
        );
        assert_eq!(
            drawn.transitions.first().map(|mark| mark.label.as_str()),
            Some("failover, 124 s")
        );
        assert_eq!(
            drawn.blocked,
            [Span {
                from: 480.0,
                to: 600.0,
                what: "cooldown".to_owned()
            }],
            "over when green took over"
        );
        assert_eq!(drawn.drills.len(), 1);
    }
}

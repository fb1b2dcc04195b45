//! Logs: one JSON line per event, to standard output, where Lambda collects it.

use std::io::Write;

use bluegreen_core::printable::json_in_one_line;
use bluegreen_core::settings::LogLevel;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;

/// Starts logging. A second start changes nothing.
pub(crate) fn start(level: LogLevel) {
    let level = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
    };
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_target(false)
        .with_writer(|| Lines);
    // This product's own events in full; of the SDK only warnings. The runtime would repeat each function error.
    let targets = Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        .with_targets(
            [
                "bluegreen_aws",
                "bluegreen_controller",
                "bluegreen_lambda",
                "health_watcher",
                "switch_handler",
                "change_listener",
            ]
            .map(|ours| (ours, level)),
        )
        .with_target("lambda_runtime", LevelFilter::OFF);
    let _already_started =
        tracing::subscriber::set_global_default(tracing_subscriber::registry().with(targets).with(lines));
}

/// The standard output, one event at a time. JSON allows unescaped line separators in a string, and characters that act
/// on a terminal. A reader of the log may split lines there, or show them on a terminal.
struct Lines;

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        let line = json_in_one_line(text.trim_end_matches('\n'));
        std::io::stdout().lock().write_all(format!("{line}\n").as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        std::io::stdout().lock().flush()
    }
}

//! Logs: one JSON line an event, to standard output, where Lambda collects it.

use bluegreen_core::settings::LogLevel;
use tracing::level_filters::LevelFilter;

/// Starts logging. A second start changes nothing.
pub fn start(level: LogLevel) {
    let level = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
    };
    let lines = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_target(false)
        .with_max_level(level)
        .finish();
    // Only ours and the runtime's lines: at debug level the SDK would write each request.
    let _already_started = tracing::subscriber::set_global_default(lines);
}

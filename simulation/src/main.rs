//! `simulate`: plays histories.

use std::process::ExitCode;
use std::time::Instant;

use bluegreen_simulation::history::play;
use bluegreen_simulation::script::Script;
use clap::Parser;

#[derive(Parser)]
struct Arguments {
    #[arg(long)]
    seed: u64,
    #[arg(long, default_value_t = 30)]
    days: i64,
    #[arg(long)]
    timeline: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let script = Script::of(arguments.seed, arguments.days);
    #[allow(clippy::disallowed_methods)]
    let began = Instant::now();
    let Ok(report) = play(&script) else {
        return ExitCode::FAILURE;
    };
    let took = began.elapsed();
    if arguments.timeline {
        for line in &report.timeline {
            println!("{line}");
        }
    }
    println!(
        "{} steps, {} of {} minutes played, {} peaces, {:.2} s; {:?}",
        script.steps.len(),
        report.played,
        report.minutes,
        report.peaces,
        took.as_secs_f64(),
        report.requests
    );
    println!("{} runs executed once; {:?}", report.runs, report.excused);
    match report.violation {
        None => ExitCode::SUCCESS,
        Some(violation) => {
            println!("{}: {}", violation.rule, violation.what);
            ExitCode::FAILURE
        }
    }
}

//! What goes wrong with every request to a service for a while.

use bluegreen_core::color::Color;
use bluegreen_simulation::clock::Milliseconds;
use bluegreen_simulation::weather::{Burst, Fault, Service};
use bluegreen_simulation::world::World;

fn begin(
    world: &mut World,
    (service, color, operation): (Service, Option<Color>, Option<&str>),
    fault: Fault,
    seconds: i64,
) {
    let now = world.now();
    let burst = Burst {
        service,
        color,
        operation: operation.map(str::to_owned),
        fault,
        seconds,
        percent: 100,
    };
    world.weather.begin(burst, 1, now);
}

/// Readings of this operation show what was true so many milliseconds ago.
pub(crate) fn go_back(world: &mut World, operation: &str, lag: Milliseconds, seconds: i64) {
    begin(
        world,
        (Service::ParameterStore, None, Some(operation)),
        Fault::Stale(lag),
        seconds,
    );
}

/// This operation of Parameter Store is not answered.
pub(crate) fn silence(world: &mut World, operation: &str, seconds: i64) {
    begin(
        world,
        (Service::ParameterStore, None, Some(operation)),
        Fault::Silence,
        seconds,
    );
}

/// Airflow answers so many milliseconds late: that of a color, or both.
pub(crate) fn slow_down(world: &mut World, color: Option<Color>, milliseconds: Milliseconds, seconds: i64) {
    begin(
        world,
        (Service::Airflow, color, None),
        Fault::Slow(milliseconds),
        seconds,
    );
}

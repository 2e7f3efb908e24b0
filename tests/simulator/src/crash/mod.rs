//! Exhaustive crashes: scripted scenarios, played once to count, then once for every point at which a device or the space can die.
//! Each time what died comes back, the script goes on, and in the end everything must be as if nothing had happened.
//! Called by the binary; the scenarios are in `scenarios`, how they are played in `stage`.

pub mod scenarios;
mod stage;

use crate::disk::Aftermath;
pub use scenarios::SCENARIOS;
use scenarios::Scenario;
use stage::{Plan, Stage};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A crash in the space that comes after its last statement: everything is safe and nothing was said.
const BEFORE_OUTPUTS: u64 = u64::MAX;

/// Where something dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// A device.
    Device {
        /// In which of all steps of devices.
        step: usize,
        /// After so many writes and flushes of it.
        operations: usize,
        /// What becomes of the unflushed ones.
        aftermath: Aftermath,
    },
    /// The space.
    Space {
        /// In which of its events.
        event: usize,
        /// At which statement of it.
        statement: u64,
    },
}

/// What some scenarios came to.
#[derive(Debug, Default)]
pub struct Report {
    /// Scenarios played.
    pub scenarios: usize,
    /// Points at which something died and everything went well.
    pub passed: u64,
    /// What was found.
    pub failures: Vec<String>,
}

/// Plays part `part` of `parts` of the scenarios, with a crash at every `stride`-th point.
pub fn run(stride: usize, part: usize, parts: usize) -> Report {
    let mut report = Report::default();
    for (number, scenario) in SCENARIOS.iter().enumerate().filter(|(number, _)| number % parts == part) {
        report.scenarios += 1;
        // Which points a stride meets differs from scenario to scenario.
        exhaust(scenario, stride, number % stride, &mut report);
    }
    report
}

fn exhaust(scenario: &Scenario, stride: usize, offset: usize, report: &mut Report) {
    for two_phase in scenario.paths {
        let counted = attempt(|| Stage::play(scenario, *two_phase, Plan::Count));
        let ground = match counted {
            Ok(ground) => ground,
            Err(finding) => {
                report.failures.push(format!("{} without a crash: {finding}", scenario.name));
                return;
            }
        };
        let points = points(&ground);
        for point in points.into_iter().skip(offset).step_by(stride) {
            let played = attempt(|| {
                let end = Stage::play(scenario, *two_phase, Plan::Crash(point));
                assert!(end.crashed, "the script did not come to this point");
                assert!(
                    !scenario.same_end || end.rows == ground.rows,
                    "the end differs: {:?} | {:?}",
                    end.rows,
                    ground.rows
                );
            });
            match played {
                Ok(()) => report.passed += 1,
                Err(finding) => report.failures.push(format!("{} {two_phase:?} {point:?}: {finding}", scenario.name)),
            }
        }
    }
}

fn points(ground: &stage::End) -> Vec<Point> {
    let mut points = Vec::new();
    for (step, operations) in ground.operations.iter().enumerate() {
        for operations in 0..=*operations {
            let seed = (step * 1_000 + operations) as u64;
            let aftermaths = [Aftermath::Lost, Aftermath::Kept, Aftermath::Torn(seed)];
            points.extend(aftermaths.map(|aftermath| Point::Device { step, operations, aftermath }));
        }
    }
    for (event, statements) in ground.statements.iter().enumerate() {
        points.extend((0..*statements).chain([BEFORE_OUTPUTS]).map(|statement| Point::Space { event, statement }));
    }
    points
}

fn attempt<T>(play: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(play)).map_err(|panic| {
        let words =
            panic.downcast_ref::<String>().cloned().or_else(|| panic.downcast_ref::<&str>().map(|s| s.to_string()));
        words.unwrap_or_else(|| "a panic without words".into())
    })
}

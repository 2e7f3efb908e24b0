//! Runs one suite: its programs in order, their output passed through and read for the counts, within the time limit.
//! It knows nothing about the suites. Whatever goes wrong here is a failed test, never an end of the whole run.

use super::counts::{Reader, Tally};
use crate::process;
use crate::suites::{Step, Suite, Tier};
use anyhow::Result;
use std::io::{BufRead, BufReader, PipeReader};
use std::process::{Child, ExitStatus};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// How often a silent program is looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);

/// How long a program that has ended may still have output under way: a child it left may hold the pipe open.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Runs the suite's steps and adds up their counts.
pub fn run(suite: &Suite, tier: Tier) -> Tally {
    let started = Instant::now();
    let limit = if tier == Tier::Full { Duration::MAX } else { suite.limit };
    let mut total = Tally::default();
    let steps = match (suite.steps)(tier) {
        Ok(steps) => steps,
        Err(error) => return failed(&format!("{} cannot start: {error:#}", suite.name)),
    };
    for step in steps {
        let left = limit.saturating_sub(started.elapsed());
        total.add(run_step(step, left).unwrap_or_else(|error| failed(&format!("{error:#}"))));
    }
    if total.passed + total.failed == 0 {
        total.add(failed(&format!("{} ran no test", suite.name)));
    }
    println!("--- {}: {total} ({:.0} s)", suite.name, started.elapsed().as_secs_f64());
    total
}

/// One failed test, with its reason shown.
pub fn failed(reason: &str) -> Tally {
    println!("error: {reason}");
    Tally { passed: 0, failed: 1 }
}

fn run_step(mut step: Step, limit: Duration) -> Result<Tally> {
    let (output, input) = std::io::pipe()?;
    step.command.stdout(input.try_clone()?).stderr(input);
    let mut child = process::spawn_group(&mut step.command)?;
    // The command holds the pipe's writing end; without it the output ends when the programs do.
    let counts = step.counts;
    drop(step);
    let mut reader = Reader::new(counts);
    let status = follow(&mut child, &lines(output), &mut reader, limit);
    process::stop_group(&mut child);
    match status? {
        Some(status) => Ok(reader.finish(status.success())),
        None => {
            let mut tally = reader.finish(true);
            tally.add(failed("stopped, because the suite's time is over"));
            Ok(tally)
        }
    }
}

fn lines(output: PipeReader) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
            if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                return;
            }
        }
    });
    receiver
}

/// Passes the output on until the program has ended; `None` when its time was over before.
fn follow(
    child: &mut Child,
    lines: &Receiver<String>,
    reader: &mut Reader,
    limit: Duration,
) -> Result<Option<ExitStatus>> {
    let started = Instant::now();
    let mut ended: Option<(ExitStatus, Instant)> = None;
    loop {
        match lines.recv_timeout(LOOK_INTERVAL) {
            Ok(line) => {
                println!("{line}");
                reader.read(&line);
            }
            Err(RecvTimeoutError::Disconnected) => return Ok(Some(child.wait()?)),
            Err(RecvTimeoutError::Timeout) => {}
        }
        if ended.is_none() {
            ended = child.try_wait()?.map(|status| (status, Instant::now()));
        }
        match ended {
            Some((status, at)) if at.elapsed() > LAST_WORDS => return Ok(Some(status)),
            None if started.elapsed() > limit => return Ok(None),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suites::Counts;

    fn shell(script: &str) -> Step {
        let mut command = process::command("sh");
        command.args(["-c", script]);
        Step { command, counts: Counts::OwnLine }
    }

    #[test]
    fn su06_a_program_over_its_time_is_stopped_with_all_it_started() {
        let pids = std::env::temp_dir().join(format!("ebbtide-runner-{}", std::process::id()));
        let script = format!("sleep 60 & echo $! > {}; echo 1 passed, 0 failed; wait", pids.display());
        let tally = run_step(shell(&script), Duration::from_millis(500)).unwrap();
        assert_eq!(tally, Tally { passed: 1, failed: 1 });
        let pid = std::fs::read_to_string(&pids).unwrap();
        let state = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
        assert!(state.is_empty() || state.contains(") Z "), "still runs: {state}");
        std::fs::remove_file(pids).unwrap();
    }

    #[test]
    fn su07_a_program_left_behind_does_not_hold_up_the_run() {
        let started = Instant::now();
        let tally = run_step(shell("sleep 60 & echo 2 passed, 0 failed"), Duration::from_secs(50)).unwrap();
        assert_eq!(tally, Tally { passed: 2, failed: 0 });
        assert!(started.elapsed() < Duration::from_secs(30));
    }
}

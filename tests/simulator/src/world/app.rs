//! The app on a device: carries a piece of work out, tells the session, and checks that the log says what the tables show.
//! It compares whole tables before and after, so capture is judged by its effect; sync is not its concern.
//! Part of the world.

use super::faults::Doom;
use super::{Event, World};
use crate::device::Durable;
use crate::judge::Finding;
use crate::reference::fold;
use crate::rows::difference;
use crate::workload::{self, Choosing, Statement, Work, newer};
use ebbtide_core::client::Input;
use ebbtide_core::ids::Millis;
use ebbtide_core::value::Value;
use ebbtide_store::local::{Choice, DbError, DbErrorCode, LocalDatabase, OpenRecord, Wanted};

impl World {
    pub(super) fn act(&mut self, device: usize) -> Result<(), Finding> {
        if self.calm {
            return Ok(());
        }
        let strokes = self.seats[device].typing.goes_on(&mut self.work);
        let next_ms = match self.random.below(3) {
            _ if strokes => self.random.between(1, 120),
            0 => self.random.between(1, 50),
            1 => self.random.between(50, 1_500),
            _ => self.random.between(500, 8_000),
        };
        self.after(next_ms, Event::Act(device));
        self.take_releases(device)?;
        self.turn_on_if_due(device)?;
        if self.seats[device].device.is_none() {
            return Ok(());
        }
        let mut work = match strokes {
            true => Work::Single(self.seats[device].typing.stroke(&mut self.work, self.everything, self.works)),
            false if self.work.percent(15) && self.has_refused(device)? => workload::about_refused(&mut self.work),
            false => workload::draw(&mut self.work, self.everything, self.works),
        };
        if self.calendar.grows() {
            let releases = self.calendar.releases.clone();
            let release = releases.get(self.seats[device].release);
            work = newer::of_release(work, release, &mut self.calendar.random);
            if releases.joins() {
                work = newer::on_settings(work, release, &mut self.calendar.random);
            }
        }
        self.works += 1;
        if self.script.without_work.contains(&(self.works - 1)) {
            return Ok(());
        }
        self.trace.event(self.now, "act", &[device as u64]);
        self.trace.line(|| format!("  {work:?}"));
        if self.seats[device].doom == Some(Doom::InsideTransaction) {
            return self.die_inside(device, &work);
        }
        let doom = self.begin_doom(device);
        let committed = self.work(device, &work)?;
        let tape = (doom == Some(Doom::PowerCut)).then(|| self.seats[device].disk.stop());
        let after = self.durable(device)?;
        let before = self.last(device)?.clone();
        self.check_log(device, &before, &after, committed)?;
        let logged = after.log.len() > before.log.len();
        if let Some(transaction) = after.log.last().filter(|_| logged) {
            let choices = !transaction.resolutions.is_empty();
            self.counts.choices += u64::from(choices);
            let (life, space) = (after.state.incarnation, self.seats[device].space);
            let transaction = self.calendar.releases.get(self.seats[device].release).lift.logged(transaction.clone());
            self.counts.texts += self.spaces[space].judge.captured(life, &transaction);
        }
        self.transactions += u64::from(logged);
        if let Some(tape) = tape {
            return self.power_cut(device, &tape, after);
        }
        self.seats[device].last = Some(after);
        if logged {
            self.note_local(device)?;
            self.seats[device].uncertain = false;
            self.give(device, Input::LocalCommit)?;
        }
        Ok(())
    }

    /// Carries work out; answers whether it was committed. Constraints and a failing disk may refuse it, nothing else may.
    fn work(&mut self, device: usize, work: &Work) -> Result<bool, Finding> {
        if let Work::Refused(which, what) = work {
            return self.look_at_refused(device, *which, *what);
        }
        let now = self.time_of(device);
        self.seats[device].disk.take_troubles();
        let open = self.seats[device].device.as_mut().ok_or("a device that is off")?;
        let done = carry_out(open.database(), work, now);
        match done {
            Ok(committed) => Ok(committed),
            Err(error) if error.code.is_constraint() => Ok(false),
            Err(error) if matches!(work, Work::Choice(..)) && cannot_be_chosen(error.code) => Ok(false),
            Err(error) => self.refused_by_the_disk(device, &error).map(|()| false),
        }
    }

    /// A failing disk may refuse what the app does, and nothing of it is left; nothing else may.
    pub(super) fn refused_by_the_disk(&mut self, device: usize, error: &DbError) -> Result<(), Finding> {
        if self.seats[device].disk.take_troubles() == 0 {
            return Err(format!("device {device}: {error}"));
        }
        self.trace.event(self.now, "write refused by the disk", &[device as u64]);
        self.seats[device].uncertain = true;
        self.unchanged(device)
    }

    fn die_inside(&mut self, device: usize, work: &Work) -> Result<(), Finding> {
        self.seats[device].doom = None;
        let now = self.time_of(device);
        let open = self.seats[device].device.as_mut().ok_or("a device that is off")?;
        let database = open.database();
        database.begin().map_err(|error| error.to_string())?;
        for (sql, params) in statements(work) {
            // What the statement would have done does not matter: nothing of it may be found later.
            let _ = database.execute(&sql, &params, now);
        }
        let before = self.last(device)?.clone();
        self.die(device, vec![before])
    }

    /// What was logged, replayed on the tables before, gives the tables after; its old values are what was there.
    fn check_log(&self, device: usize, before: &Durable, after: &Durable, committed: bool) -> Result<(), Finding> {
        let catalogue = self.catalogue(device);
        let added = &after.log[before.log.len()..];
        if added.len() > 1 || (!committed && !added.is_empty() && before.rows == after.rows) {
            return Err(format!("device {device}: {} transactions were logged by one", added.len()));
        }
        let mut rows = before.rows.clone();
        for change in added.iter().flat_map(|transaction| &transaction.changes) {
            if !fold::old_values_hold(&rows, change, &catalogue) {
                return Err(format!("device {device}: the log has wrong old values: {change:?}"));
            }
            fold::replay(&mut rows, change, &catalogue);
        }
        if rows != after.rows {
            let differing = difference(&rows, &after.rows, &catalogue);
            return Err(format!("device {device}: the log does not say what happened (log | tables):{differing}"));
        }
        Ok(())
    }
}

fn carry_out(database: &mut LocalDatabase, work: &Work, now: Millis) -> Result<bool, DbError> {
    match work {
        Work::Single((sql, params)) => database.execute(sql, params, now).map(|_| true),
        Work::Choice(which, how) => choose(database, *which, *how, now),
        Work::Refused(..) => Ok(false),
        Work::Many(sql, rows) => database.execute_many(sql, &mut rows.iter().cloned(), now).map(|_| true),
        Work::Transaction { statements, rollback } => {
            database.begin()?;
            for (sql, params) in statements {
                match database.execute(sql, params, now) {
                    // A refused statement is taken back by itself; the app goes on.
                    Err(error) if !error.code.is_constraint() => {
                        database.rollback()?;
                        return Err(error);
                    }
                    _ => {}
                }
            }
            if *rollback { database.rollback().map(|()| false) } else { database.commit(now).map(|()| true) }
        }
    }
}

/// A person looks at the open conflicts and chooses, if there is one.
fn choose(database: &mut LocalDatabase, which: u64, how: Choosing, now: Millis) -> Result<bool, DbError> {
    let open = database.open_conflicts()?;
    let Some(conflict) = open.get(which as usize % open.len().max(1)) else { return Ok(false) };
    let choice = match how {
        Choosing::Side(side) => Choice::Side(side),
        Choosing::Mine => Choice::Mine,
        Choosing::Other(number) => other(conflict, Value::Text(format!("chosen {number}"))),
    };
    database.resolve_conflict(conflict.id, &choice, now).map(|()| true)
}

/// Another value of the field, or the row as it stands with another last field.
fn other(conflict: &OpenRecord, chosen: Value) -> Choice {
    match (&conflict.column, &conflict.sides[0].wanted) {
        (None, Wanted::Row(fields)) => {
            let mut fields = fields.clone();
            fields.last_mut().expect("a table with fields").1 = chosen;
            Choice::Row(fields)
        }
        _ => Choice::Value(chosen),
    }
}

/// There is no such side, or its row was deleted here.
fn cannot_be_chosen(code: DbErrorCode) -> bool {
    matches!(code, DbErrorCode::BadParameter | DbErrorCode::ConflictNotOpen)
}

fn statements(work: &Work) -> Vec<Statement> {
    match work {
        Work::Single(statement) => vec![statement.clone()],
        Work::Many(sql, rows) => rows.iter().map(|row| (sql.clone(), row.clone())).collect(),
        Work::Transaction { statements, .. } => statements.clone(),
        Work::Choice(..) | Work::Refused(..) => Vec::new(),
    }
}

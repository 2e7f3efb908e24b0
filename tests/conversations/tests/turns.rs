//! Devices that take turns and run the same statements as one SQLite database that is alone: since each had seen what it writes over, they come to
//! what that comes to. No rule of merging is modelled, so none can be modelled wrongly.

use crate::script::refused;
use ebbtide_core::client::{Input, TwoPhase};
use ebbtide_simulator::dialogue::Dialogue;
use ebbtide_simulator::random::Random;
use ebbtide_store::local::DbErrorCode;
use ebbtide_store::schema::Schema;

pub(crate) const DEVICES: usize = 3;
const TURNS: usize = 60;

/// One transaction. What the database refuses is left out; answers what it said of each statement and, last, of the commit.
pub(crate) fn attempt(talk: &mut Dialogue, party: usize, statements: &[String]) -> Vec<Option<DbErrorCode>> {
    talk.pass_ms(1);
    let now = talk.time_of(party);
    let database = talk.device(party).database();
    database.begin().expect("no transaction is open");
    let mut said: Vec<_> =
        statements.iter().map(|sql| database.execute(sql, &[], now).err().map(|error| error.code)).collect();
    let committed = database.commit(now).err().map(|error| error.code);
    said.push(committed);
    if committed.is_none() {
        talk.input(party, Input::LocalCommit);
    }
    said
}

/// Plays a history; `work` makes the transactions. Answers nothing: it fails where devices, space and the one database differ.
pub(crate) fn take_turns(
    label: &str,
    schema: &Schema,
    two_phase: TwoPhase,
    mut random: Random,
    work: impl Fn(&mut Random) -> Vec<String>,
) {
    let mut talk = Dialogue::with_schema(DEVICES, two_phase, schema.clone());
    let mut alone = Dialogue::with_schema(1, two_phase, schema.clone());
    for turn in 0..TURNS {
        let party = random.below(DEVICES as u64) as usize;
        talk.visit(party);
        let statements = work(&mut random);
        let said = || format!("{label}, turn {turn}: {statements:?}");
        let verdicts = attempt(&mut talk, party, &statements);
        assert_eq!(verdicts, attempt(&mut alone, 0, &statements), "{}", said());
        talk.visit(party);
        assert_eq!(refused(&mut talk, party), [""; 0], "{}\n{}", said(), talk.transcript());
        assert_eq!(talk.rows(party), alone.rows(0), "{}\n{}", said(), talk.transcript());
    }
    (0..DEVICES).for_each(|party| talk.visit(party));
    talk.assert_in_step();
}

//! Cases: how long foreign keys and the app's triggers look away, and what ends that.
//! What applying does meanwhile is in `apply`.
//! Rule ST-69.

use super::apply::{TREE, child, delete, parent};
use super::words::{NOW, Speak, open, step};
use ebbtide_core::client::store::ClientStore;
use rusqlite::Connection;

const LOCAL: &str = "CREATE TABLE found (title TEXT);
    CREATE TRIGGER parent_found AFTER INSERT ON parent BEGIN INSERT INTO found VALUES (new.id); END;
    CREATE TRIGGER parent_n AFTER UPDATE OF n ON parent BEGIN UPDATE parent SET n = new.n + 1 WHERE id = new.id; END;";

pub fn st69_quiet_lasts_until_the_app_runs_something_for_which_it_matters(connection: Connection) {
    let mut db = open(connection, &[TREE, LOCAL], &["parent", "child"]);
    let orphan = "INSERT INTO child VALUES ('z', 'x')";
    let count = "UPDATE parent SET n = 1 WHERE id = 'p'";
    for (round, ahead) in [false, true, false].into_iter().enumerate() {
        if ahead {
            db.expect_rows().unwrap();
            assert!(db.is_quiet());
        }
        step(&mut db, |store| store.write(&[parent("p"), child("c", "p")]));
        step(&mut db, |store| store.write(&[delete(0, "c"), parent("p")]));
        assert!(db.is_quiet());
        // Reading does not disturb it, once the statement is known; looking inside does.
        db.rows("SELECT count(*) FROM parent");
        assert_eq!(db.is_quiet(), round > 0);
        assert_eq!(db.rows("SELECT count(*) FROM found"), [(round + 1).to_string()]);
        assert_eq!(db.rows("PRAGMA foreign_keys"), ["1"]);
        assert!(!db.is_quiet());
        step(&mut db, |store| store.write(&[child("c", "p")]));
        assert_eq!(db.rows("SELECT count(*) FROM sqlite_temp_schema WHERE type = 'trigger'"), ["0"]);
        step(&mut db, |store| store.write(&[child("c", "p")]));
        // Foreign keys, cascades and triggers are back, for statements that were prepared before too.
        assert_eq!(db.fails(orphan), "constraint_foreign_key");
        assert!(!db.is_quiet());
        step(&mut db, |store| store.write(&[parent("q")]));
        db.run(count);
        assert_eq!(db.rows("SELECT n FROM parent WHERE id = 'p'"), ["2"]);
        db.run("DELETE FROM parent WHERE id = 'q'");
    }
}

pub fn st69_a_step_that_is_taken_back_ends_the_quiet(connection: Connection) {
    let mut db = open(connection, &[TREE, LOCAL], &["parent", "child"]);
    step(&mut db, |store| store.write(&[parent("p"), parent("q")]));
    db.run("INSERT INTO draft VALUES ('p', 1), ('q', 2)");
    let temporary = "SELECT count(*) FROM sqlite_temp_schema WHERE type = 'trigger'";
    // Whether it was quiet before, became so in the step, or ended in the step so that a local table could follow.
    for quiet_before in [false, true] {
        for outcomes in [vec![child("d", "x")], vec![delete(1, "p"), child("d", "x")]] {
            db.rows(temporary);
            if quiet_before {
                step(&mut db, |store| store.write(&[parent("q")]));
            }
            db.sync_step(NOW, |store| store.write(&outcomes)).unwrap_err();
            assert!(!db.is_quiet());
            assert_eq!(db.rows(temporary), ["0"]);
            assert_eq!(db.rows("PRAGMA foreign_keys"), ["1"]);
            assert_eq!(db.rows("SELECT count(*) FROM draft"), ["2"]);
            db.run("UPDATE parent SET n = 1 WHERE id = 'p'");
            assert_eq!(db.rows("SELECT n FROM parent WHERE id = 'p'"), ["2"]);
        }
    }
}

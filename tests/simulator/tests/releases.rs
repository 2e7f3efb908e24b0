//! The releases of the simulated app by themselves: what the judge takes from them must be what their SQL does.

use ebbtide_core::ids::Millis;
use ebbtide_core::value::Value;
use ebbtide_simulator::host::SpaceHost;
use ebbtide_simulator::releases::piece::{ALL, Became};
use ebbtide_simulator::releases::{Piece, Releases};
use ebbtide_simulator::rows::Rows;
use ebbtide_simulator::schema;

const ROWS: &str = "INSERT INTO household (id, name, code, doses) VALUES ('h', 'n', 'c', 7);
    INSERT INTO visit (id, household, notes) VALUES ('v', 'h', NULL), ('lone', NULL, NULL), ('told', NULL, 'x');
    INSERT INTO member (id, household) VALUES ('m', 'h');
    INSERT INTO dose (member, day, note) VALUES ('m', 1, NULL), ('m', 2, 'x');";

/// A release for every step, in this order.
fn growing(steps: &[Piece]) -> Releases {
    let steps: Vec<Vec<Piece>> = steps.iter().map(|piece| vec![*piece]).collect();
    Releases::growing(schema::json(true), &steps)
}

/// Every step comes first once, and last once.
fn orders() -> impl Iterator<Item = Vec<Piece>> {
    (0..ALL.len()).map(|by| {
        let mut order = ALL.to_vec();
        order.rotate_left(by);
        order
    })
}

fn with_rows(releases: &Releases) -> SpaceHost {
    let space = SpaceHost::open(&releases.get(0).schema);
    space.connection().execute_batch(ROWS).expect("rows of the first release");
    space
}

#[test]
fn sm06_what_one_release_says_reads_in_the_terms_of_the_last() {
    for order in orders() {
        let releases = growing(&order);
        let mut space = with_rows(&releases);
        let before = releases.get(0).lift.rows(space.rows());
        for release in 1..=releases.last() {
            space.deploy(&releases.get(release).schema, Millis(1)).expect("the release is sound");
            let here = releases.get(release);
            let now = here.lift.rows(space.rows());
            let changed = here.has(Piece::Data);
            assert!(changed || now == before, "{order:?} at {release}");
            assert_eq!(*here.lift.visible(&now), now, "{order:?} at {release}");
        }
        let all = space.rows();
        let seen = releases.get(0).lift.visible(&all);
        let hidden = |row: &&ebbtide_core::change::RowId| !seen.contains_key(row);
        assert_eq!(all.keys().filter(hidden).count(), 0, "no row is of a table that came");
    }
}

#[test]
fn sm07_a_step_does_by_hand_what_its_sql_does() {
    for order in orders() {
        let releases = growing(&order);
        let mut space = with_rows(&releases);
        let mut rows: Rows = releases.get(0).lift.rows(space.rows());
        for (piece, _) in releases.between(0, releases.last()) {
            for (row, became) in piece.done_to(&rows, &releases.catalogue()) {
                match became {
                    Became::Row(values) => rows.insert(row, values),
                    Became::Gone => rows.remove(&row),
                };
            }
        }
        space.deploy(&releases.get(releases.last()).schema, Millis(1)).expect("the releases are sound");
        assert_eq!(space.rows(), rows, "{order:?}");
        let texts = rows.values().flatten().filter(|value| **value == Value::Text("none".into())).count();
        assert!(texts > 0, "something was changed");
    }
}

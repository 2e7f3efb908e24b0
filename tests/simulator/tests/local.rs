//! The judge of what was local, by itself: it has to find what a device does wrong with it.

use ebbtide_core::client::store::ClientStore;
use ebbtide_core::client::{SessionOptions, SpaceName, Start};
use ebbtide_core::ids::{LogId, Millis};
use ebbtide_simulator::device::{Device, Durable};
use ebbtide_simulator::disk::Disk;
use ebbtide_simulator::judge::{Became, Step};
use ebbtide_simulator::schema::schema;
use std::collections::BTreeSet;

const NOW: Millis = Millis(1_700_000_000_000);

/// A device that has written a household apart, and a visit, and changed the household.
fn apart() -> (Device, Durable, BTreeSet<LogId>) {
    let mut device =
        Device::open(&Disk::new(), &schema(), SpaceName::default(), SessionOptions::default(), NOW, [1; 16])
            .expect("a new database");
    let database = device.database();
    database.keep_in_step(false);
    let statements = [
        "INSERT INTO household (id, name) VALUES ('h', 'first')",
        "INSERT INTO visit (id, household) VALUES ('v', 'h')",
        "UPDATE household SET name = 'last' WHERE id = 'h'",
    ];
    for sql in statements {
        database.execute(sql, &[], NOW).expect("a sound statement");
    }
    let local = device.step(NOW, |store| store.local_log()).expect("the log").into_iter().collect();
    let durable = device.durable(NOW).expect("everything durable");
    (device, durable, local)
}

/// What the judge says of a step between the two, when nothing is listed.
fn judged(before: &Durable, after: &Durable, is: &BTreeSet<LogId>, start: Start) -> Result<Became, String> {
    let (device, _, was) = apart();
    let decided = BTreeSet::new();
    Step { before, after, was: &was, is, decided: &decided, listed: &[], catalogue: device.catalogue() }.became(start)
}

#[test]
fn sm11_what_is_local_waits_unsealed_and_goes_as_a_whole() {
    let (_, before, local) = apart();
    assert_eq!(local.len(), 3, "all of it is local");
    assert_eq!(judged(&before, &before, &local, Start::Seed), Ok(Became::Waiting));
    let part: BTreeSet<LogId> = local.iter().copied().skip(1).collect();
    assert!(judged(&before, &before, &part, Start::Merge).is_err_and(|finding| finding.starts_with("G3")));
    let mut sealed = before.clone();
    sealed.state.next_device_seq = sealed.state.next_device_seq.next();
    assert!(judged(&before, &sealed, &local, Start::Merge).is_err_and(|finding| finding.contains("sealed")));
    assert_eq!(judged(&before, &sealed, &BTreeSet::new(), Start::Merge), Ok(Became::Sent));
}

#[test]
fn sm11_what_gives_way_leaves_as_a_whole_by_choice_and_is_listed() {
    let (_, before, _) = apart();
    let nothing = BTreeSet::new();
    let mut gone = before.clone();
    gone.log.clear();
    assert!(judged(&before, &gone, &nothing, Start::Merge).is_err_and(|finding| finding.starts_with("G1")));
    assert!(judged(&before, &gone, &nothing, Start::Take).is_err_and(|finding| finding.starts_with("G8")));
    let mut partly = before.clone();
    partly.log.truncate(1);
    assert!(judged(&before, &partly, &nothing, Start::Take).is_err_and(|finding| finding.starts_with("G1")));
    let mut bare = before.clone();
    bare.rows.clear();
    let unseen = judged(&bare, &gone, &nothing, Start::Take);
    assert!(matches!(unseen, Ok(Became::Listed(ids)) if ids.len() == 3), "rows that were not shown need not be listed");
}

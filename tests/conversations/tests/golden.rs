//! Golden conversations: what two devices and a space say to each other, word for word, in committed files.
//! After a wanted change `EBBTIDE_WRITE_GOLDEN=1 cargo test -p ebbtide-conversations golden` writes them anew; read the difference.

use crate::script::{A, B, with_household};
use ebbtide_core::client::TwoPhase;
use ebbtide_simulator::dialogue::Dialogue;
use std::path::Path;

fn compare(name: &str, talk: &Dialogue) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(format!("{name}.txt"));
    if std::env::var_os("EBBTIDE_WRITE_GOLDEN").is_some() {
        std::fs::write(&path, talk.transcript()).expect("a file that can be written");
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(talk.transcript(), golden, "{name}: the conversation changed");
}

#[test]
fn cs28_golden_conversations_are_said_word_for_word() {
    for (path, two_phase) in [("one-message", TwoPhase::Auto), ("two-phase", TwoPhase::Always)] {
        let mut talk = Dialogue::new(2, two_phase);
        talk.remark("A writes, B pulls");
        with_household(&mut talk);
        talk.remark("both write one field while they are away; A comes back first");
        talk.exec(A, "UPDATE household SET name = 'a'", &[]);
        talk.exec(B, "UPDATE household SET name = 'b', doses = 1", &[]);
        talk.visit(A);
        talk.visit(B);
        talk.remark("both are there: a commit is pushed");
        talk.sync(A);
        talk.sync(B);
        talk.exec(B, "INSERT INTO visit (id, household) VALUES ('v', 'h')", &[]);
        talk.settle();
        talk.remark("the answer is lost after the commit");
        talk.exec(A, "DELETE FROM visit", &[]);
        while talk.head().0 < 5 && talk.up(A) {
            if talk.head().0 < 5 {
                talk.down(A);
            }
        }
        talk.cut(A);
        talk.sync(A);
        talk.remark("a unique value is taken");
        talk.cut(B);
        talk.exec(A, "UPDATE household SET code = 'x'", &[]);
        talk.settle();
        talk.transaction(B, &["INSERT INTO household (id, code) VALUES ('k', 'x')"]);
        talk.sync(B);
        talk.assert_in_step();
        compare(path, &talk);
    }
}

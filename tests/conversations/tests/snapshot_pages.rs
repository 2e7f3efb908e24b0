//! Pages of snapshots as the space answers for them: how much they hold, and which tokens it goes on from.

use crate::script::{A, hello};
use crate::snapshot::{PAGE_BYTES, on_both_paths, populated};
use ebbtide_core::codec::Codec;
use ebbtide_core::ids::{ChainHash, SchemaVersion, Seq, View};
use ebbtide_core::limits::{SNAPSHOT_PAGE_ROWS, SNAPSHOT_TOKEN_MS};
use ebbtide_core::message::{ClientMessage, ServerMessage, Token};
use ebbtide_protocol::WireCodec;
use ebbtide_simulator::dialogue::Dialogue;

/// Whether the space goes on from a token, or begins anew.
fn goes_on(talk: &mut Dialogue, token: &Token) -> bool {
    let hello = ClientMessage::Hello(hello(talk, A));
    let ask = ClientMessage::Snapshot { token: Some(token.clone()), max_bytes: PAGE_BYTES };
    match talk.mail(A, &[hello, ask]).pop() {
        Some(ServerMessage::Page(page)) => !page.first,
        other => panic!("{other:?}"),
    }
}

#[test]
fn cs50_a_page_has_no_more_rows_than_the_bound_whatever_tables_they_are_of() {
    on_both_paths(|talk| {
        let fill = |table: &str, rows: usize| {
            format!(
                "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})
                INSERT INTO {table} (id) SELECT 'r' || i FROM n"
            )
        };
        talk.exec(A, &fill("household", SNAPSHOT_PAGE_ROWS - 10), &[]);
        talk.exec(A, &fill("visit", 20), &[]);
        talk.visit(A);
        let (greeting, catalogue) = (ClientMessage::Hello(hello(talk, A)), talk.space.catalogue());
        let mut page = |token: Option<Token>| {
            let ask = ClientMessage::Snapshot { token, max_bytes: u32::MAX };
            match talk.mail(A, &[greeting.clone(), ask]).pop() {
                Some(ServerMessage::Page(page)) => page,
                other => panic!("{other:?}"),
            }
        };
        let first = page(None);
        let opened = WireCodec.open_commit(&first.bytes, &catalogue).expect("the space's own bytes");
        assert_eq!((opened.outcomes.len(), first.last), (SNAPSHOT_PAGE_ROWS, false), "ten rows are left");
        assert!(page(Some(first.token)).last);
    });
}

#[test]
fn cs52_a_token_is_good_for_its_own_history_view_version_and_age() {
    on_both_paths(|talk| {
        populated(talk);
        let hello = ClientMessage::Hello(hello(talk, A));
        let first = ClientMessage::Snapshot { token: None, max_bytes: PAGE_BYTES };
        let Some(ServerMessage::Page(page)) = talk.mail(A, &[hello, first]).pop() else { panic!("no page") };
        let token = page.token;
        assert!(goes_on(talk, &token));
        assert!(!goes_on(talk, &Token { chain: ChainHash::default(), ..token.clone() }), "another history");
        assert!(!goes_on(talk, &Token { begun_at: Seq(9_999), ..token.clone() }), "a head that never was");
        assert!(!goes_on(talk, &Token { view: View([1; 8]), ..token.clone() }), "another view");
        assert!(!goes_on(talk, &Token { schema: SchemaVersion(1), ..token.clone() }), "another version");
        talk.pass_ms(SNAPSHOT_TOKEN_MS);
        assert!(goes_on(talk, &token));
        talk.pass_ms(1);
        assert!(!goes_on(talk, &token), "too old");
    });
}

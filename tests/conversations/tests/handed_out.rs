//! What a device hands out to the service worker, for when no page is open, and takes back.

use crate::script::{A, B, on_both_paths, with_household};
use ebbtide_core::client::{Input, Output};
use ebbtide_simulator::dialogue::Dialogue;

#[test]
fn cs94_no_ready_made_request_goes_past_a_pause_or_the_question() {
    on_both_paths(|talk| {
        with_household(talk);
        talk.input(A, Input::Pause(true));
        talk.exec(A, "UPDATE household SET name = 'paused'", &[]);
        talk.confirm(true);
        talk.restart(B);
        talk.exec(B, "UPDATE household SET name = 'asked'", &[]);
        for party in [A, B] {
            talk.pass_ms(2_000);
            talk.input(party, Input::Tick);
            let now = talk.time_of(party);
            assert_eq!(talk.durable(party).sealed.len(), 1);
            assert_eq!(talk.device(party).ready_request(now).expect("the database can be read"), None);
        }
        talk.input(A, Input::Pause(false));
        let now = talk.time_of(A);
        assert!(talk.device(A).ready_request(now).expect("the database can be read").is_some());
    });
}

/// Whether the service worker's copy is to be read again after an input and what it made due.
fn tells_the_copy(talk: &mut Dialogue, input: Input) -> bool {
    let now = talk.time_of(A);
    let inputs = [input, Input::Tick].into_iter();
    let mut outputs = inputs.flat_map(|input| talk.device(A).handle(input, now).expect("the device goes on"));
    outputs.any(|output| matches!(output, Output::SealedChanged))
}

#[test]
fn cs94_what_was_handed_out_is_taken_back_while_the_sync_pauses() {
    on_both_paths(|talk| {
        with_household(talk);
        talk.exec(A, "UPDATE household SET name = 'offline'", &[]);
        talk.pass_ms(5_000);
        assert!(tells_the_copy(talk, Input::Tick), "what was sealed is to be sent");
        assert!(!tells_the_copy(talk, Input::Tick), "nothing else has come");
        assert!(tells_the_copy(talk, Input::Pause(true)), "nothing is to be sent");
        assert!(tells_the_copy(talk, Input::Pause(false)), "it is to be sent again");
    });
}

#[test]
fn cs94_what_was_handed_out_is_taken_back_by_an_app_that_asks_from_now_on() {
    on_both_paths(|talk| {
        with_household(talk);
        talk.exec(A, "UPDATE household SET name = 'offline'", &[]);
        talk.pass_ms(5_000);
        assert!(tells_the_copy(talk, Input::Tick), "what was sealed is to be sent");
        talk.confirm(true);
        talk.restart(A);
        talk.connect(A);
        talk.settle();
        assert!(talk.took(A, |output| matches!(output, Output::SealedChanged)), "not before a yes");
    });
}

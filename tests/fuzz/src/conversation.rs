//! An honest conversation: a device writes, exchanges everything with a space, and every packet is kept.
//! Its packets are where fuzzing begins, and it shows that a space still serves others. It knows no foreign bytes.
//! Used by the targets and by what writes the first corpus.

use crate::{NOW, options, schema};
use ebbtide_core::client::{Input, Output, SpaceName, State};
use ebbtide_core::message::{ClientMessage, ServerMessage};
use ebbtide_protocol::{decode_client, decode_server, encode_client, encode_receipt, encode_server};
use ebbtide_simulator::device::Device;
use ebbtide_simulator::disk::Disk;
use ebbtide_simulator::host::SpaceHost;
use std::collections::VecDeque;

/// Messages of a conversation: beyond it the two talk in circles.
const MOST_MESSAGES: usize = 100;

/// What was said, and how it ended.
#[derive(Debug, Default)]
pub(crate) struct Said {
    up: Vec<Vec<u8>>,
    down: Vec<Vec<u8>>,
    pub(crate) in_step: bool,
}

pub(crate) fn open(disk: &Disk, number: u8) -> Device {
    let home = SpaceName("clinic-7".into());
    Device::open(disk, &schema(), home, options(), NOW, [number; 16]).expect("the database opens")
}

/// Some transactions, told to the space one after the other.
pub(crate) fn converse(space: &mut SpaceHost, number: u8) -> Said {
    let disk = Disk::new();
    let mut device = open(&disk, number);
    let connection = u64::from(number) + 100;
    space.connect(connection, "ada", true);
    let mut said = Said::default();
    give(&mut device, space, connection, Input::Start, &mut said);
    give(&mut device, space, connection, Input::Connected, &mut said);
    let id = free_id(space, number);
    for sql in [
        format!("INSERT INTO household (id, name, photo) VALUES ('{id}', 'na''me', x'00ff')"),
        format!("INSERT INTO member (id, household, age) VALUES ('{id}', '{id}', 7)"),
        format!("INSERT INTO dose (member, day, amount) VALUES ('{id}', 9007199254740993, -0.0)"),
        format!("UPDATE household SET name = NULL, doses = 3 WHERE id = '{id}'"),
        format!("INSERT INTO visit (id, household, low) VALUES ('{id}', '{id}', 5)"),
        format!("DELETE FROM household WHERE id = '{id}'"),
    ] {
        device.database().execute(&sql, &[], NOW).expect("a statement");
        give(&mut device, space, connection, Input::LocalCommit, &mut said);
    }
    space.disconnect(connection, NOW);
    let status = device.session().status();
    said.in_step = status.state == State::Idle && status.pending == 0;
    said
}

/// An id that no row has: a peer may have guessed any that is fixed.
fn free_id(space: &SpaceHost, number: u8) -> String {
    const TAKEN: &str =
        "SELECT EXISTS (SELECT 1 FROM household WHERE id = ?1) OR EXISTS (SELECT 1 FROM member WHERE id = ?1)
        OR EXISTS (SELECT 1 FROM visit WHERE id = ?1) OR EXISTS (SELECT 1 FROM dose WHERE member = ?1)";
    let taken = |id: &str| space.connection().query_row(TAKEN, [id], |row| row.get(0)).expect("an answer");
    let mut id = format!("honest {number}");
    while taken(&id) {
        id.push('+');
    }
    id
}

fn give(device: &mut Device, space: &mut SpaceHost, connection: u64, input: Input, said: &mut Said) {
    let mut inputs = VecDeque::from([input]);
    for _ in 0..MOST_MESSAGES {
        let Some(input) = inputs.pop_front() else { return };
        for output in device.handle(input, NOW).expect("an honest space") {
            let Output::Send(messages) = output else { continue };
            let bytes = encode_client(&messages);
            let answer = space.receive(connection, &bytes, NOW, None).expect("an honest device");
            space.flush();
            said.up.push(bytes);
            if !answer.replies.is_empty() {
                let bytes = encode_server(&answer.replies);
                inputs.push_back(Input::Received(decode_server(&bytes).expect("own bytes")));
                said.down.push(bytes);
            }
        }
    }
    panic!("an honest conversation does not end");
}

/// What an honest device says, as input of the target `space`.
pub fn packets_to_space() -> Vec<u8> {
    packed(&converse(&mut SpaceHost::open(&schema()), 1).up)
}

/// What an honest space says that another device has written to before, as input of the target `device`.
pub fn packets_to_device() -> Vec<u8> {
    let mut space = SpaceHost::open(&schema());
    converse(&mut space, 2);
    packed(&converse(&mut space, 1).down)
}

/// Documents of every kind, as inputs of the target `decoders`.
pub fn documents() -> Vec<Vec<u8>> {
    let mut space = SpaceHost::open(&schema());
    let said = converse(&mut space, 1);
    let mut documents: Vec<(u8, Vec<u8>)> = Vec::new();
    for bytes in said.up {
        for message in decode_client(&bytes).expect("own bytes") {
            if let ClientMessage::Submit(submit) = message {
                documents.push((3, submit.bytes));
            }
        }
        documents.push((0, bytes));
    }
    for bytes in said.down {
        for message in decode_server(&bytes).expect("own bytes") {
            if let ServerMessage::Receipt(receipt) = message {
                documents.push((2, encode_receipt(&receipt)));
            }
        }
        documents.push((1, bytes));
    }
    documents.extend(space.commits().into_iter().map(|commit| (4, commit.bytes)));
    let json = r#"{"migrations":["CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, n INTEGER) STRICT"],"tables":{"t":{"merge":{"n":"sum"},"delete":"keep"}}}"#;
    documents.push((5, json.into()));
    documents.into_iter().map(|(kind, bytes)| [vec![kind], bytes].concat()).collect()
}

fn packed(packets: &[Vec<u8>]) -> Vec<u8> {
    let length = |packet: &Vec<u8>| u16::try_from(packet.len()).expect("a short message").to_le_bytes();
    packets.iter().flat_map(|packet| [length(packet).to_vec(), packet.clone()].concat()).collect()
}

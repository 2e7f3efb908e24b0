//! What must not happen, whatever bytes come in: one function for every kind of peer, which panics if it does happen.
//! They know the outer form of their input (packets with a length) and leave the rest to the engine. libFuzzer finds the bytes,
//! the tests replay those that were kept.

mod conversation;

pub use conversation::{documents, packets_to_device, packets_to_space};

use ebbtide_core::catalogue::Catalogue;
use ebbtide_core::client::{Input, SessionOptions};
use ebbtide_core::codec::Codec;
use ebbtide_core::ids::{DeviceSeq, Millis};
use ebbtide_protocol::{
    WireCodec, decode_client, decode_receipt, decode_server, encode_client, encode_receipt, encode_server,
    peek_changeset, peek_commit,
};
use ebbtide_simulator::device::DeviceError;
use ebbtide_simulator::disk::Disk;
use ebbtide_simulator::host::{HostError, SpaceHost};
use ebbtide_store::schema::Schema;
use std::cell::OnceCell;
use std::rc::Rc;

/// When everything happens.
const NOW: Millis = Millis(1_700_000_000_000);

/// Packets of one input: more than any conversation that ends somewhere new needs.
const MOST_PACKETS: usize = 40;

thread_local! {
    static CATALOGUE: OnceCell<Rc<Catalogue>> = const { OnceCell::new() };
}

fn schema() -> Schema {
    ebbtide_simulator::schema::schema()
}

fn catalogue() -> Rc<Catalogue> {
    CATALOGUE.with(|catalogue| catalogue.get_or_init(|| SpaceHost::open(&schema()).catalogue()).clone())
}

/// Every decoder gives a value or an error. A value can be packed, and what was packed is that value again.
pub fn decoders(bytes: &[u8]) {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    let catalogue = catalogue();
    match kind % 6 {
        0 => {
            if let Ok(messages) = decode_client(bytes) {
                let packed = encode_client(&messages);
                assert_eq!(decode_client(&packed).as_ref(), Ok(&messages), "a client's messages change when packed");
            }
        }
        1 => {
            if let Ok(messages) = decode_server(bytes) {
                let packed = encode_server(&messages);
                assert_eq!(decode_server(&packed).as_ref(), Ok(&messages), "a server's messages change when packed");
            }
        }
        2 => {
            if let Ok(receipt) = decode_receipt(bytes) {
                let packed = encode_receipt(&receipt);
                assert_eq!(decode_receipt(&packed).as_ref(), Ok(&receipt), "a receipt changes when packed");
            }
        }
        3 => changeset(bytes, &catalogue),
        4 => commit(bytes, &catalogue),
        _ => {
            if let Ok(schema) = serde_json::from_slice::<Schema>(bytes) {
                // What it says does not matter: it must say it.
                let _ = schema.validate();
            }
        }
    }
}

fn changeset(bytes: &[u8], catalogue: &Catalogue) {
    let number = peek_changeset(bytes).map_or(DeviceSeq(1), |peek| peek.device_seq);
    let Ok(opened) = WireCodec.open(bytes, number, catalogue) else { return };
    // Packing brings changes into canonical order; from then on nothing moves.
    let packed = WireCodec.seal(&opened, catalogue);
    let again = WireCodec.open(&packed.bytes, opened.device_seq, catalogue).expect("own bytes can be opened");
    assert_eq!(WireCodec.seal(&again, catalogue).bytes, packed.bytes, "a changeset changes when packed again");
}

fn commit(bytes: &[u8], catalogue: &Catalogue) {
    let _ = peek_commit(bytes);
    let Ok(opened) = WireCodec.open_commit(bytes, catalogue) else { return };
    let packed = WireCodec.seal_commit(&opened, catalogue);
    let again = WireCodec.open_commit(&packed, catalogue).expect("own bytes can be opened");
    assert_eq!(WireCodec.seal_commit(&again, catalogue), packed, "a commit changes when packed again");
}

/// A space answers whatever a peer says, keeps its references and its file sound, and then serves an honest device.
pub fn space(input: &[u8]) {
    let mut space = SpaceHost::open(&schema());
    space.connect(1, "mallory", true);
    for packet in packets(input) {
        match space.receive(1, packet, NOW, None) {
            Ok(_) | Err(HostError::Undecodable(_)) => {}
            Err(error) => panic!("the space failed: {error:?}"),
        }
        space.flush();
    }
    assert_eq!(space.integrity(), Vec::<String>::new(), "the space is damaged");
    let honest = conversation::converse(&mut space, 2);
    assert!(honest.in_step, "an honest device is not served any more");
}

/// A device goes on or stops with an error whatever its space says, keeps its own rows, and its file stays sound.
pub fn device(input: &[u8]) {
    let disk = Disk::new();
    let mut device = conversation::open(&disk, 1);
    let sql = "INSERT INTO dose (member, day) VALUES ('mine', 1)";
    device.database().execute(sql, &[], NOW).expect("an insert");
    let mut inputs = vec![Input::LocalCommit, Input::Start, Input::Connected];
    for packet in packets(input) {
        if let Ok(messages) = decode_server(packet) {
            inputs.push(Input::Received(messages));
        }
    }
    for input in inputs {
        match device.handle(input, NOW) {
            Ok(_) => {}
            // The step was taken back; the adapter starts over with a new session.
            Err(DeviceError::Session(_) | DeviceError::Database(_)) => {
                device.restart_session(1);
                device.handle(Input::Start, NOW).expect("a new session starts");
                device.handle(Input::Connected, NOW).expect("a new session says hello");
            }
        }
    }
    device.durable(NOW).expect("the database can be read");
    assert_eq!(device.integrity(), Vec::<String>::new(), "the device is damaged");
}

fn packets(mut input: &[u8]) -> impl Iterator<Item = &[u8]> {
    let next = move || {
        let (length, rest) = input.split_first_chunk::<2>()?;
        let length = usize::from(u16::from_le_bytes(*length)).min(rest.len());
        let (packet, rest) = rest.split_at(length);
        input = rest;
        Some(packet)
    };
    std::iter::from_fn(next).take(MOST_PACKETS)
}

fn options() -> SessionOptions {
    SessionOptions::default()
}

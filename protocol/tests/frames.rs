//! Messages and their frames: versions, kinds, lengths and bounds.
//! It writes frames by hand where the encoder would not.
//! Run by `cargo test -p ebbtide-protocol`.

mod support;

use ebbtide_core::error::{Malformed, RefusalCode};
use ebbtide_core::ids::{DeviceSeq, Seq};
use ebbtide_core::message::{ClientMessage, ServerMessage, Welcome};
use ebbtide_protocol::limits::{MESSAGE_BYTES, MESSAGE_FRAMES};
use ebbtide_protocol::{
    DecodeError, MESSAGE_VERSION, decode_client, decode_receipt, decode_server, encode_client, encode_receipt,
    encode_server,
};
use support::{Random, messages};

const VOID: u8 = 7;

fn malformed<T>(what: &'static str) -> Result<T, DecodeError> {
    Err(DecodeError::Malformed(Malformed { what }))
}

#[test]
fn wp01_another_version_is_an_error_of_its_own() {
    let error = decode_client(&[2, 1, 0]);
    assert_eq!(error, Err(DecodeError::UnsupportedVersion(2)));
    assert_eq!(error.map_err(|error| (error.refusal(), error.code(), error.retryable())), {
        Err((RefusalCode::UnsupportedVersion, "unsupported_version", false))
    });
    assert_eq!(decode_server(&[0]), Err(DecodeError::UnsupportedVersion(0)));
    assert_eq!(decode_server(&[]), malformed("unexpected end"));
    assert_eq!(encode_client(&[]), [MESSAGE_VERSION]);
    assert_eq!(decode_client(&[MESSAGE_VERSION]), Ok(Vec::new()));
}

#[test]
fn wp02_unknown_optional_frames_are_skipped_and_others_are_not() {
    let void = ClientMessage::Void { device_seq: DeviceSeq(5) };
    assert_eq!(decode_client(&[1, 64, 2, 9, 9, VOID, 1, 5]), Ok(vec![void]));
    assert_eq!(decode_client(&[1, 63, 2, 9, 9, VOID, 1, 5]), malformed("frame: unknown kind"));
    assert_eq!(decode_server(&[1, VOID, 1, 5]), malformed("frame: unknown kind"));
    assert_eq!(decode_client(&[1, 23, 1, 5]), malformed("frame: unknown kind"));
    assert_eq!(decode_client(&[1, VOID, 3, 5]), malformed("unexpected end"));
}

#[test]
fn wp03_trailing_bytes_are_an_error_except_in_the_handshake() {
    for kind in 0..messages::CLIENT_KINDS {
        let message = messages::client(&mut Random(kind), kind);
        // The bytes of these reach to the end of their frame.
        let open_ended = matches!(message, ClientMessage::Submit(_) | ClientMessage::Stage(_));
        let longer = with_trailing_byte(&encode_client(std::slice::from_ref(&message)));
        let decoded = decode_client(&longer);
        match matches!(message, ClientMessage::Hello(_)) {
            true => assert_eq!(decoded, Ok(vec![message])),
            false => assert_eq!(decoded.is_ok(), open_ended),
        }
    }
    for kind in 0..messages::SERVER_KINDS {
        let message = match messages::server(&mut Random(kind), kind) {
            // Without these two known fields, what follows would be read as them.
            ServerMessage::Welcome(welcome) => ServerMessage::Welcome(Welcome { floor: Seq(7), ..welcome }),
            message => message,
        };
        let longer = with_trailing_byte(&encode_server(std::slice::from_ref(&message)));
        let decoded = decode_server(&longer);
        match message {
            ServerMessage::Welcome(_) => assert_eq!(decoded, Ok(vec![message])),
            ServerMessage::Part(_) | ServerMessage::Range(_) | ServerMessage::Page(_) => {
                assert_ne!(decoded, Ok(vec![message]))
            }
            _ => assert_eq!(decoded, malformed("trailing bytes")),
        }
    }
}

/// A message of one frame whose payload is one byte longer.
fn with_trailing_byte(bytes: &[u8]) -> Vec<u8> {
    let two = bytes[2] & 0x80 != 0;
    let length = usize::from(bytes[2] & 0x7f) + if two { usize::from(bytes[3]) << 7 } else { 0 } + 1;
    let payload = &bytes[if two { 4 } else { 3 }..];
    [&[bytes[0], bytes[1], length as u8 & 0x7f | 0x80, (length >> 7) as u8][..], payload, &[0]].concat()
}

#[test]
fn wp10_a_message_is_bounded_in_bytes_and_frames() {
    let too_large = vec![1; MESSAGE_BYTES + 1];
    assert_eq!(decode_client(&too_large), Err(DecodeError::TooLarge("message")));
    assert_eq!(DecodeError::TooLarge("message").code(), "too_large");
    let frames = |count: usize| [&[1][..], &[64, 0].repeat(count)].concat();
    assert_eq!(decode_client(&frames(MESSAGE_FRAMES)), Ok(Vec::new()));
    assert_eq!(decode_client(&frames(MESSAGE_FRAMES + 1)), Err(DecodeError::TooLarge("frames of a message")));
}

#[test]
fn wp17_a_range_ascends_within_its_bounds() {
    let chain = [0; 8];
    let range = |bytes: &[u8]| {
        let payload = [&[10, 2 << 2], &chain[..], bytes].concat();
        decode_server(&[&[1, 21, payload.len() as u8], &payload[..]].concat())
    };
    assert!(range(&[1 << 2 | 2, 5, 1 << 2 | 2, 6]).is_ok());
    let refused = malformed("range: items out of order, out of bounds, or too many");
    assert_eq!(range(&[3 << 2 | 2, 5]), refused);
    assert_eq!(range(&[2, 5]), refused);
    assert_eq!(range(&[1 << 2, 5]), malformed("range: unknown item"));
    let head = ServerMessage::Head { seq: Seq(3) };
    assert_eq!(decode_server(&encode_server(std::slice::from_ref(&head))), Ok(vec![head]));
}

#[test]
fn wp15_a_kept_receipt_is_read_strictly() {
    let kept = encode_receipt(&messages::receipt(&mut Random(3)));
    assert!(decode_receipt(&kept).is_ok());
    let longer = [&kept[..], &[0]].concat();
    assert_eq!(decode_receipt(&longer), Err(Malformed { what: "trailing bytes" }));
    let other = [&[9], &kept[1..]].concat();
    assert_eq!(decode_receipt(&other), Err(Malformed { what: "receipt: unknown version" }));
    let of_nothing = [1, 0x80, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(decode_receipt(&of_nothing), Err(Malformed { what: "receipt: a fingerprint of nothing" }));
    assert!(decode_receipt(&of_nothing[..11]).is_err());
    assert_eq!(decode_receipt(&[1, 0x20, 1]), Err(Malformed { what: "receipt: decided at no seq" }));
}

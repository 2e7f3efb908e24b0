//! Checks on a decoded message that concern the connection it came over, not the conversation.
//! Used for HTTP bodies and socket messages alike.

use crate::failure::Failure;
use ebbtide_core::ids::Incarnation;
use ebbtide_core::message::ClientMessage;

/// Reads a device from its 32 hexadecimal digits, as `X-Client-ID` has them.
pub fn device(header: &str) -> Result<Incarnation, Failure> {
    let wrong = || Failure::malformed("X-Client-ID must be 32 hexadecimal digits");
    let header = header.trim();
    if header.len() != 32 || !header.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Err(wrong());
    }
    u128::from_str_radix(header, 16).map(|number| Incarnation(number.to_be_bytes())).map_err(|_| wrong())
}

/// A device as hexadecimal digits.
pub fn device_text(device: Incarnation) -> String {
    format!("{:032x}", u128::from_be_bytes(device.0))
}

/// Whether every hello is of the device that the connection was opened for.
pub fn of_device(messages: &[ClientMessage], device: Incarnation) -> bool {
    messages.iter().all(|message| match message {
        ClientMessage::Hello(hello) => hello.incarnation == device,
        _ => true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sv18_a_client_id_is_32_hexadecimal_digits() {
        let id = Incarnation([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 255]);
        assert_eq!(device(&device_text(id)).unwrap(), id);
        assert_eq!(device("000102030405060708090A0B0C0D0EFF").unwrap(), id);
        for wrong in
            ["", "00", "+00102030405060708090a0b0c0d0eff", "g00102030405060708090a0b0c0d0eff", "üüüüüüüüüüüüüüüü"]
        {
            assert_eq!(device(wrong).unwrap_err().code, "malformed_message", "{wrong}");
        }
    }
}

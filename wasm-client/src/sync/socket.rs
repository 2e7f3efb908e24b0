//! One WebSocket: sends messages as bytes and tells the link what happens to it.
//! It knows its generation and nothing of what the bytes mean; after `drop` it says nothing more.

use super::driver::Sync;
use super::link;
use js_sys::{Array, ArrayBuffer, Uint8Array};
use std::rc::{Rc, Weak};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{BinaryType, CloseEvent, MessageEvent, WebSocket};

/// An open or opening socket; dropping it closes it.
pub struct Socket {
    socket: WebSocket,
    _on_open: Closure<dyn FnMut()>,
    _on_message: Closure<dyn FnMut(MessageEvent)>,
    _on_close: Closure<dyn FnMut(CloseEvent)>,
}

impl Socket {
    /// Starts to connect.
    pub fn open(sync: &Rc<Sync>, generation: u32, url: &str, protocols: &[&str]) -> Result<Self, JsValue> {
        let protocols: Array = protocols.iter().map(|protocol| JsValue::from_str(protocol)).collect();
        let socket = WebSocket::new_with_str_sequence(url, &protocols)?;
        socket.set_binary_type(BinaryType::Arraybuffer);
        let on_open = on(sync, move |sync| link::socket_opened(sync, generation));
        let on_message = on_event(sync, move |sync, event: MessageEvent| receive(sync, generation, &event.data()));
        let on_close = on_event(sync, move |sync, event: CloseEvent| {
            link::socket_closed(sync, generation, event.code());
        });
        socket.set_onopen(Some(on_open.as_ref().unchecked_ref()));
        socket.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        socket.set_onclose(Some(on_close.as_ref().unchecked_ref()));
        Ok(Self { socket, _on_open: on_open, _on_message: on_message, _on_close: on_close })
    }

    /// Sends one message. A socket that is closing takes it and drops it; its close event follows.
    pub fn send(&self, bytes: &[u8]) -> Result<(), JsValue> {
        self.socket.send_with_u8_array(bytes)
    }

    /// Asks the server for a sign of life; it answers without waking the space.
    pub fn ping(&self) -> Result<(), JsValue> {
        self.socket.send_with_str("ping")
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.socket.set_onopen(None);
        self.socket.set_onmessage(None);
        self.socket.set_onclose(None);
        // Closing a socket with no code cannot fail.
        let _ = self.socket.close();
    }
}

fn receive(sync: &Rc<Sync>, generation: u32, data: &JsValue) {
    match data.dyn_ref::<ArrayBuffer>() {
        Some(buffer) => link::received(sync, generation, &Uint8Array::new(buffer).to_vec()),
        // The only text is the answer to a ping.
        None => link::heard(sync, generation),
    }
}

fn on(sync: &Rc<Sync>, task: impl Fn(&Rc<Sync>) + 'static) -> Closure<dyn FnMut()> {
    let sync = Rc::downgrade(sync);
    Closure::new(move || with(&sync, &task))
}

fn on_event<E: wasm_bindgen::convert::FromWasmAbi + 'static>(
    sync: &Rc<Sync>,
    task: impl Fn(&Rc<Sync>, E) + 'static,
) -> Closure<dyn FnMut(E)> {
    let sync = Rc::downgrade(sync);
    Closure::new(move |event: E| {
        if let Some(sync) = sync.upgrade() {
            task(&sync, event);
        }
    })
}

fn with(sync: &Weak<Sync>, task: impl Fn(&Rc<Sync>)) {
    if let Some(sync) = sync.upgrade() {
        task(&sync);
    }
}

//! Says in the console what went wrong before a panic ends the worker, in builds with the feature `contract`.
//! The shipped client is built without words for panics; its crash, with the place, is reported by the worker's script.

/// To be called before anything that could panic; calling it again changes nothing.
pub fn report_panics() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        std::panic::set_hook(Box::new(|info| {
            web_sys::console::error_1(&format!("ebbtide: {info}").into());
        }));
    });
}

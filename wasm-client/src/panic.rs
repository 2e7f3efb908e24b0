//! Says in the console what went wrong before a panic ends the worker.
//! A panic is our bug: the page starts another worker, and the text is what a report needs.

/// To be called before anything that could panic; calling it again changes nothing.
pub fn report_panics() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        std::panic::set_hook(Box::new(|info| {
            web_sys::console::error_1(&format!("ebbtide: {info}").into());
        }));
    });
}

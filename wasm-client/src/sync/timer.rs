//! A timer that is cancelled when it is dropped.
//! It knows milliseconds and a task. The driver wakes its session with it, the links keep themselves alive.

use js_sys::{Function, Reflect};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};

/// A pending call.
pub struct Timer {
    id: JsValue,
    // The closure must live as long as the browser may call it.
    _task: Closure<dyn FnMut()>,
}

impl Timer {
    /// Calls `task` once, after `delay_ms`.
    pub fn after(delay_ms: f64, task: impl FnOnce() + 'static) -> Self {
        let task = Closure::once(task);
        let id = global("setTimeout", &[task.as_ref(), &delay_ms.into()]);
        Self { id, _task: task }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        global("clearTimeout", &[&self.id]);
    }
}

fn global(name: &str, arguments: &[&JsValue]) -> JsValue {
    let global = js_sys::global();
    let function = Reflect::get(&global, &JsValue::from_str(name)).ok().and_then(|f| f.dyn_into::<Function>().ok());
    let arguments = arguments.iter().copied().collect();
    function.expect("every worker has timers").apply(&global, &arguments).expect("timers take any task and delay")
}

//! What a request is for, and whether a page of its origin may ask: decided before anybody is authenticated.
//! It sees methods, paths and headers as text, no bodies and no bindings. The TypeScript entry calls it first.

mod origin;
mod route;

pub use origin::{Origins, cors_origin};
pub use route::{Request, Route, route};

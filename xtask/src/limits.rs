//! The named bounds of the tooling, each with its reason. Suites and the demo read them.

use std::time::Duration;

/// Older Node releases cannot run wrangler, nor load the Worker's wasm.
pub const NODE_MINIMUM: (u32, u32) = (22, 12);

/// The Node that is fetched from the npm registry where the system's is too old. Node 24 also runs TypeScript as it is.
pub const NODE_PACKAGE_VERSION: &str = "24.21.0";

/// Where the demo listens unless told otherwise or taken: wrangler's own default, known to its users.
pub const DEMO_PORT: u16 = 8787;

/// How many ports after the default one are tried before the demo gives up.
pub const DEMO_PORT_TRIES: u16 = 50;

/// A cold workerd answers within 2 s on a quiet machine; a loaded small one may need ten times that.
pub const DEMO_START: Duration = Duration::from_secs(60);

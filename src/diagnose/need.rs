//! What of a GPU's memory a job needs, as far as that can be told from outside.

use crate::model::{Inventory, Pid};

/// Loaders that only come with frameworks which take most of a GPU's memory at once (JAX's
/// XLA_PYTHON_CLIENT_PREALLOCATE, TensorFlow without memory growth), and what people call those.
const LOADERS: [(&str, &str); 2] = [("grain", "JAX"), ("tf.data", "TensorFlow")];
/// Servers that do the same for their caches.
const SERVERS: [&str; 4] = ["vllm", "sglang", "text-generation", "tritonserver"];

/// The framework that takes memory ahead of its need: how much of it the job uses is not known then.
pub(super) fn preallocates(inventory: &Inventory, trainer: Pid) -> Option<&'static str> {
    let mut loaders = inventory.loaders.iter().filter(|loader| loader.pid == trainer);
    let by_loader =
        loaders.find_map(|loader| LOADERS.iter().find(|(kind, _)| *kind == &*loader.kind));
    let command = || inventory.proc(trainer).map_or("", |info| &*info.command);
    by_loader
        .map(|(_, name)| *name)
        .or_else(|| SERVERS.iter().copied().find(|server| command().contains(server)))
}

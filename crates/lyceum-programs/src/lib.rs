//! Programs that the built-in studies run in the sandbox: candidates, evaluators, data.

//! The append-only record: events in one hash chain, blobs named by content, one writer.

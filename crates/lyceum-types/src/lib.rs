//! Words of the lab as types: ids, units, search spaces, measurements, event bodies. No I/O.

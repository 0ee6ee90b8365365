//! A server for tests that speaks the three wires over a real socket.

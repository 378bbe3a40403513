//! The bytes of one GET request.

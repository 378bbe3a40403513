//! Body decoding, in place.

//! The C ABI of stage plugins: repr(C) only, and the C header.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| rustdb_fuzz::targets::our_log(bytes));

//! One input line to one [`Job`], or to the fault of its row.

use super::*;

#[test]
fn counts_are_read_from_what_the_tools_write() {
    let perf = "# started on Mon\n\n1234,,syscalls:sys_enter_fdatasync,9,100.00,,\n2,,syscalls:sys_enter_fsync,9,100.00,,\n";
    assert_eq!(perf.lines().filter_map(count_of_perf).sum::<u64>(), 1236);
    assert_eq!(
        count_of_perf("<not supported>,,syscalls:sys_enter_fsync,0,100.00,,"),
        None
    );
    let strace = "\
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 99.05    0.412345         301      1234           fdatasync
  0.95    0.003945         301         2         1 fsync
------ ----------- ----------- --------- --------- ----------------
100.00    0.416290         301      1236         1 total
";
    assert_eq!(
        strace.lines().filter_map(count_of_strace).sum::<u64>(),
        1236
    );
}

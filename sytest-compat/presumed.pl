# Many tests want to know that abilities were proven by earlier tests. Those that proved these have left SyTest; without
# them fifteen tests would always be skipped.
test "Abilities whose tests have left SyTest are presumed",
   proves => [qw( can_change_power_levels can_upload_media can_download_media can_invite_presence )],

   do => sub { Future->done };

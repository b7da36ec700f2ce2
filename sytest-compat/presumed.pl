# Many tests want to know that abilities were proven by earlier tests, and are skipped where they were not. Those that
# proved the first of these have left SyTest; those that prove the others want what the specification does not, and are
# in fails.txt.
test "Abilities that no test proves are presumed",
   proves => [qw(
      can_change_power_levels can_upload_media can_download_media can_invite_presence
      can_get_messages can_get_room_joined_members can_upgrade_room_version
   )],

   do => sub { Future->done };

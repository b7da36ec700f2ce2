use strict;
use warnings;

require SyTest::Output::TAP;

# TAP that tells, in a comment, the file from which the tests come: some names occur twice.
package SyTest::Output::Files;
our @ISA = qw( SyTest::Output::TAP );

use constant FORMAT => "files";

sub run_file
{
   my $self = shift;
   my ( $filename ) = @_;

   print "# file $filename\n";
   $self->SUPER::run_file( $filename );
}

1;

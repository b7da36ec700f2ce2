use strict;
use warnings;

require SyTest::Homeserver::Oriz;

# What SyTest learns of Oriz: the option -I Oriz, its own options, and how a server is made.
package SyTest::HomeserverFactory::Oriz;
use base qw( SyTest::HomeserverFactory );

sub _init
{
   my $self = shift;

   $self->{command} = "oriz";
   $self->{database} = undef;
   $self->SUPER::_init( @_ );
}

# Tests that are marked `implementation_specific` are taken by this name. Those for Synapse ask for endpoints that Oriz
# has under the same paths, and for what the specification wants of events that it calls invalid.
sub implementation_name { return "synapse"; }

sub get_options
{
   my $self = shift;

   return (
      'oriz=s'     => \$self->{command},
      'database=s' => \$self->{database},
      $self->SUPER::get_options(),
   );
}

sub print_usage
{
   print STDERR <<'USAGE';
       --oriz PATH              - the command `oriz`. Default: from $PATH.
       --database URL           - a PostgreSQL, as postgresql://USER:PASSWORD@HOST:PORT/; each server gets a database
                                  of its own there, sytest_oriz_N, which is dropped first. Default: SQLite.
USAGE
}

sub create_server
{
   my $self = shift;

   return SyTest::Homeserver::Oriz->new(
      command  => $self->{command},
      database => $self->{database},
      @_,
   );
}

1;

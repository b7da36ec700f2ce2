use strict;
use warnings;

# One Oriz under test: its configuration, its database, its process.
package SyTest::Homeserver::Oriz;
use base qw( SyTest::Homeserver );

use Cwd qw( getcwd );
use File::Path qw( remove_tree );
use JSON;
use URI;

use SyTest::SSL qw( ensure_ssl_key create_ssl_cert );

sub _init
{
   my $self = shift;
   my ( $args ) = @_;

   $self->{$_} = delete $args->{$_} for qw( command database );
   $self->SUPER::_init( $args );
   $self->{port} = main::alloc_port( "oriz[$self->{hs_index}]" );
}

# With a port in the name, nobody looks for a .well-known or an SRV record.
sub server_name { my $self = shift; return "$self->{bind_host}:$self->{port}"; }

sub federation_host { my $self = shift; return $self->{bind_host}; }

sub federation_port { my $self = shift; return $self->{port}; }

sub public_baseurl { my $self = shift; return "https://" . $self->server_name; }

# Starts the server on new data. The future is done when it listens, which is the last thing that Oriz does at its start.
sub start
{
   my $self = shift;

   $self->_write_certificate;
   remove_tree( "$self->{hs_dir}/data" );
   my $config = $self->write_yaml_file( "oriz.yaml", $self->_config( $self->_new_database ) );

   return $self->_start_process_and_await_connectable(
      command      => [ $self->{command}, "run", "--config", $config ],
      setup        => [ env => { PATH => $ENV{PATH} } ],
      connect_host => $self->{bind_host},
      connect_port => $self->{port},
      name         => "oriz-$self->{hs_index}",
   );
}

sub pid { return 0; }

# SyTest's authority signs for the host that it binds to.
sub _write_certificate
{
   my $self = shift;

   $self->{certificate} = { map { $_ => "$self->{hs_dir}/tls.$_" } qw( key crt ) };
   ensure_ssl_key( $self->{certificate}{key} );
   create_ssl_cert( $self->{certificate}{crt}, $self->{certificate}{key}, $self->{bind_host} );
}

# The section `database`; that of PostgreSQL is dropped and made.
sub _new_database
{
   my $self = shift;

   return { engine => "sqlite" } unless defined $self->{database};

   require DBI;
   my $name = "sytest_oriz_$self->{hs_index}";
   my $url = URI->new( $self->{database} =~ s/^postgresql:/http:/r );
   my ( $user, $password ) = split m/:/, $url->userinfo // "", 2;
   my $to = "dbi:Pg:dbname=postgres;host=" . $url->host . ";port=" . ( $self->{database} =~ m{:\d+/?$} ? $url->port : 5432 );
   my $dbh = DBI->connect( $to, $user, $password, { RaiseError => 1, PrintWarn => 0 } );
   $dbh->do( $_ ) for "DROP DATABASE IF EXISTS $name WITH (FORCE)", "CREATE DATABASE $name";
   $dbh->disconnect;

   return { engine => "postgresql", url => ( $self->{database} =~ s{/?$}{/$name}r ) };
}

# Everything is open, nothing is limited, and the loopback is as good as any network.
sub _config
{
   my $self = shift;
   my ( $database ) = @_;

   return {
      server_name     => $self->server_name,
      public_base_url => $self->public_baseurl,
      data_dir        => "$self->{hs_dir}/data",
      database        => $database,
      listeners       => [ {
         address  => $self->{bind_host},
         port     => $self->{port} + 0,
         surfaces => [qw( client federation )],
         tls      => { certificate => $self->{certificate}{crt}, key => $self->{certificate}{key} },
      } ],
      registration => {
         enabled              => JSON::true,
         without_verification => JSON::true,
         guests               => JSON::true,
         # SyTest's secret is shorter than Oriz allows; HMAC fills keys up with zeros, so this is the same one.
         shared_secret        => "reg_secret" . "\0" x 6,
      },
      passwords  => { argon2 => { time_cost => 1, memory_kib => 8, parallelism => 1 } },
      limits     => { rates => { enabled => JSON::false } },
      federation => {
         enabled             => JSON::true,
         forbidden_addresses => [],
         ca_files            => [ getcwd() . "/keys/ca.crt" ],
      },
      logging => { level => "info", file => "$self->{hs_dir}/oriz.log" },
   };
}

1;

# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# What the tests of Fast Open share, to be sourced instead of lossy_link.sh: a client and a server with
# the forwarder between them, and three ways to have them:
#
#     links_up            Linux in $PEER_NS with nginx, Linux in $OTHER_NS, Tern; nothing between them
#     way_of KIND         linux-linux, tern-linux, linux-tern or linux-program (on port 8080 of Tern's): client,
#                         forget, guard, look (shows how it is), client_link, server_link, server4, server6,
#                         port, and a port_without Fast Open
. "$(dirname "${BASH_SOURCE[0]}")/lossy_link.sh"
OTHER_NS=$NAME-other
HOST_NS=$NAME-host
GUARD_S=${GUARD_S:-3} # how long the black-hole guard turns Fast Open off
nginx_pids=()

command -v nginx >/dev/null || skip "nginx is not installed"
command -v tshark >/dev/null || skip "tshark is not installed"

fastopen_cleanup()
{
	local status=$?
	kill -TERM "${nginx_pids[@]}" 2>/dev/null
	[ -z "$ternd_pid" ] || kill -CONT "$ternd_pid" 2>/dev/null
	netns_del "$OTHER_NS"
	netns_del "$HOST_NS"
	(exit $status)
	lossy_cleanup
}
trap fastopen_cleanup EXIT

# early_ns NAMESPACE: Linux's Fast Open there, client and server.
early_ns()
{
	netns_write "$1" net/ipv4/tcp_fastopen 3
	netns_write "$1" net/ipv4/tcp_fastopen_blackhole_timeout_sec "$GUARD_S"
	[ "$(ip netns exec "$1" cat /proc/sys/net/ipv4/tcp_fastopen)" = 3 ] ||
		skip "this kernel has no Fast Open"
}

# nginx_up NAME LISTEN COMMAND…: nginx with those listen directives, run by the command.
nginx_up()
{
	local at=$tmp/$1 listen=$2
	shift 2
	mkdir -p "$at/www"
	chmod 755 "$tmp" "$at" "$at/www"
	echo "<!doctype html><title>nginx</title>" >"$at/www/index.html"
	cat >"$at/nginx.conf" <<-END
		daemon off;
		master_process off;
		pid $at/nginx.pid;
		events { worker_connections 256; }
		http {
			access_log off;
			client_body_temp_path $at/nginx.body;
			proxy_temp_path $at/nginx.proxy;
			fastcgi_temp_path $at/nginx.fastcgi;
			uwsgi_temp_path $at/nginx.uwsgi;
			scgi_temp_path $at/nginx.scgi;
			server {
				$listen
				root $at/www;
			}
		}
	END
	"$@" nginx -c "$at/nginx.conf" -e "$at/nginx.log" >"$at/nginx.out" 2>&1 </dev/null &
	nginx_pids+=($!)
	wait_for 10 test -s "$at/nginx.pid" || fail "nginx does not start: $(cat "$at/nginx.out" "$at/nginx.log")"
}

links_up()
{
	conf "fastopen=$GUARD_S"
	lossy_tern_up
	veth_up "$OTHER_NS" "vq$$" "vo$$" 198.18.0.3/24 2001:db8:18::3/64
	netns_add "$HOST_NS" || fail "cannot make the namespace $HOST_NS"
	early_ns "$PEER_NS"
	early_ns "$OTHER_NS"
	nginx_up linux "listen 198.18.0.1:80 fastopen=16; listen [2001:db8:18::1]:80 fastopen=16;
		listen 198.18.0.1:81; listen [2001:db8:18::1]:81;" ip netns exec "$PEER_NS"
	# Tern has looked whether its addresses are another's when they answer.
	forwarder_up "$TAP" "vf$$" --linger 150
	for host in "$HOST4" "[$HOST6]"; do
		wait_for 15 in_ns curl -gsf --max-time 2 -o /dev/null "http://$host/" ||
			fail "no first answer from $host"
	done
	wait_for 20 no_connections || fail "connections of the first requests do not go away"
	forwarder_down >"$tmp/forwarded"
}

linux_guard()
{
	ip netns exec "$OTHER_NS" nstat -asz TcpExtTCPFastOpenBlackhole |
		awk '$1 == "TcpExtTCPFastOpenBlackhole" { print $2 }'
}

# way_of KIND: who is client and who is server from now on. ternd polls, and is stopped while it has no
# part.
way_of()
{
	way=$1
	kill -CONT "$ternd_pid"
	server4=198.18.0.1 server6=2001:db8:18::1 server_link=vf$$ port=80 port_without=81
	guard=()
	case $1 in
	linux-linux)
		client_link=vo$$
		client=(ip netns exec "$OTHER_NS")
		forget=(ip -n "$OTHER_NS" tcp_metrics flush)
		guard=(linux_guard)
		look=(ip netns exec "$OTHER_NS" nstat -asz 'TcpExtTCPFastOpen*')
		kill -STOP "$ternd_pid"
		;;
	tern-linux)
		client_link=$TAP
		client=(ip netns exec "$HOST_NS" "$TERN" run --)
		forget=("$TERN" fastopen flush)
		guard=(counter tcp fastopen_blackhole)
		look=("$TERN" fastopen)
		;;
	linux-tern | linux-program)
		client_link=vf$$ server_link=$TAP server4=$HOST4 server6=$HOST6 port_without=7
		client=(ip netns exec "$PEER_NS")
		forget=(ip -n "$PEER_NS" tcp_metrics flush)
		look=(ip netns exec "$PEER_NS" nstat -asz 'TcpExtTCPFastOpen*')
		[ "$1" = linux-tern ] || port=8080
		;;
	esac
}

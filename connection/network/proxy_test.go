package network

import (
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"
)

const scutilOutput = `<dictionary> {
  ExceptionsList : <array> {
    0 : *.local
    1 : 169.254/16
    2 : intranet.example
  }
  ExcludeSimpleHostnames : 1
  FTPPassive : 1
  HTTPEnable : 1
  HTTPPort : 3128
  HTTPProxy : proxy.example
  HTTPSEnable : 0
  HTTPSPort : 3129
  HTTPSProxy : proxy.example
  ProxyAutoConfigEnable : 0
  ProxyAutoConfigURLString : http://old.example/proxy.pac
  SOCKSEnable : 1
  SOCKSPort : 1080
  SOCKSProxy : fd00::7
  __SCOPED__ : <dictionary> {
    en0 : <dictionary> {
      ExceptionsList : <array> {
        0 : everything
      }
      HTTPEnable : 0
      HTTPPort : 9
      HTTPProxy : scoped.example
    }
  }
}
`

func TestParseScutil(t *testing.T) {
	s := parseScutil(scutilOutput)
	require.Equal(t, systemProxies{
		web: "http://proxy.example:3128", socks: "socks5://[fd00::7]:1080", noSimple: true,
		exceptions: []string{"*.local", "169.254/16", "intranet.example"},
	}, s)
	for target, want := range map[string]string{
		"ws://server.example":        "http://proxy.example:3128",
		"http://server.example":      "http://proxy.example:3128",
		"wss://server.example":       "socks5://[fd00::7]:1080",
		"https://server.example":     "socks5://[fd00::7]:1080",
		"ws://nas.local":             "",
		"ws://169.254.7.7:3000":      "",
		"ws://127.0.0.1:3000":        "",
		"https://intranet.example":   "",
		"https://a.intranet.example": "",
	} {
		got, err := choose(s.config(), parse(t, target))
		require.NoError(t, err)
		if want == "" {
			require.Nil(t, got, target)
			continue
		}
		require.Equal(t, want, got.String(), target)
	}
	for _, off := range []string{"", "<dictionary> {\n}\n", "}\n}\n", "HTTPEnable : 1\n", "<dictionary> {\n  HTTPEnable : 1\n  HTTPProxy : x\n  HTTPPort : 99999\n}\n"} {
		require.Equal(t, systemProxies{}, parseScutil(off), off)
	}
	require.True(t, parseScutil("<dictionary> {\n  ProxyAutoConfigEnable : 1\n}").automatic)
	require.True(t, parseScutil("<dictionary> {\n  ProxyAutoDiscoveryEnable : 1\n}").automatic)
}

func TestWholePrefix(t *testing.T) {
	for short, whole := range map[string]string{"169.254/16": "169.254.0.0/16", "10/8": "10.0.0.0/8", "10.1.2.0/24": "10.1.2.0/24", "fe80::/10": "fe80::/10", "*.local": "*.local"} {
		require.Equal(t, whole, wholePrefix(short))
	}
}

func TestProxies(t *testing.T) {
	for _, name := range []string{"http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"} {
		t.Setenv(name, "")
	}
	ask := func(setting, target string) string {
		t.Helper()
		via, err := Proxies(setting)(parse(t, target))
		require.NoError(t, err)
		if via == nil {
			return "direct"
		}
		return via.String()
	}
	require.Nil(t, Proxies("direct"))
	t.Setenv("HTTPS_PROXY", "http://env.example:8080")
	t.Setenv("NO_PROXY", ".inside.example")
	require.Equal(t, "http://env.example:8080", ask("", "wss://server.example"))
	require.Equal(t, "direct", ask("", "ws://server.example"), "HTTP_PROXY is not set")
	require.Equal(t, "direct", ask("", "wss://a.inside.example"))
	require.Equal(t, "socks5://set.example", ask("socks5://set.example", "wss://a.inside.example"), "the setting is above the environment")
	for _, loopback := range []string{"ws://localhost:3000", "wss://127.0.0.1", "wss://[::1]:9", "ws://app.localhost"} {
		require.Equal(t, "direct", ask("http://set.example", loopback))
		require.Equal(t, "direct", ask("", loopback))
	}
	for _, bad := range []string{"proxy.example:3128", "ftp://proxy.example", "://", "http://"} {
		_, err := Proxies(bad)(&url.URL{Scheme: "wss", Host: "server.example"})
		require.Error(t, err, bad)
	}
}

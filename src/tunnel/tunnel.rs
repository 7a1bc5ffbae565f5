//! Real connections: name, TCP, proxy, TLS, under one deadline.

use crate::address::Host;
use crate::connect::connect;
use crate::phase::Phase;
use crate::proxy::Proxy;
use crate::proxy_choice::ProxyRule;
use crate::resolver::Resolver;
use crate::tls::TlsClient;
use crate::{Address, Dial, Dialing, Error, ErrorKind, Security, Stream, TunnelConfig};
use std::net::SocketAddr;
use tokio::net::TcpStream;
use tokio::time::Instant;

/// Opens connections as its configuration says. Files and environment are read once, when it is made.
#[derive(Debug)]
pub struct Tunnel {
    protection: Protection,
    proxies: ProxyRule,
    resolver: Resolver,
}

#[derive(Debug)]
enum Protection {
    Plain { allow_remote: bool },
    Tls(TlsClient),
}

impl Tunnel {
    /// Reads what the configuration names: CA file, client certificate and key, proxy variables.
    ///
    /// # Errors
    /// [`ErrorKind::BadConfig`] when something of it is missing or cannot be used.
    pub fn new(config: TunnelConfig) -> Result<Self, Error> {
        Self::with_environment(config, &|name| std::env::var(name).ok())
    }

    /// The same with another environment than this process's.
    ///
    /// # Errors
    /// As for [`Tunnel::new`].
    pub fn with_environment(config: TunnelConfig, environment: &dyn Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let protection = match config.security {
            Security::Plain { allow_remote } => Protection::Plain { allow_remote },
            Security::Tls(tls) => Protection::Tls(TlsClient::new(tls)?),
        };
        let proxies = ProxyRule::new(&config.proxy, environment)?;
        Ok(Self { protection, proxies, resolver: Resolver::System })
    }

    async fn open(&self, address: &Address, deadline: Instant) -> Result<Box<dyn Stream>, Error> {
        let host = Host::parse(&address.host)?;
        let tcp = match self.proxies.for_host(&host, address.port)? {
            None => self.open_directly(&host, address.port, deadline).await?,
            Some(proxy) => self.open_through(proxy, &host, address, deadline).await?,
        };
        match &self.protection {
            Protection::Plain { .. } => Ok(Box::new(tcp)),
            Protection::Tls(tls) => Ok(Box::new(tls.handshake(tcp, &host, deadline).await?)),
        }
    }

    async fn open_directly(&self, host: &Host, port: u16, deadline: Instant) -> Result<TcpStream, Error> {
        let addresses = self.resolve(host, port, deadline).await?;
        self.check_plaintext(&addresses)?;
        let tcp = connect(&addresses, deadline).await?;
        tracing::debug!(host = %host, port, "connected");
        Ok(tcp)
    }

    async fn open_through(
        &self,
        proxy: &Proxy,
        host: &Host,
        address: &Address,
        deadline: Instant,
    ) -> Result<TcpStream, Error> {
        if matches!(self.protection, Protection::Plain { allow_remote: false }) {
            let advice = format!(
                "Use TLS (iscsis://); or reach the host directly (NO_PROXY); or, where everybody on the way may read the data, {ALLOW}"
            );
            return Err(Error::new(ErrorKind::PlaintextRefused, format!("the proxy {} is on the way", proxy.address))
                .with_advice(advice));
        }
        let place = || format!("proxy {} for {address}", proxy.address);
        let reached = async {
            let proxy_host = Host::parse(&proxy.address.host)?;
            let addresses = self.resolve(&proxy_host, proxy.address.port, deadline).await?;
            connect(&addresses, deadline).await
        };
        let mut tcp = reached.await.map_err(|error| error.at(place()))?;
        let asked = proxy.connect(&mut tcp, host, address.port);
        Phase::Proxy.within(deadline, asked).await.map_err(|error| error.at(place()))?;
        tracing::debug!(host = %host, port = address.port, proxy = %proxy.address, "connected through a proxy");
        Ok(tcp)
    }

    async fn resolve(&self, host: &Host, port: u16, deadline: Instant) -> Result<Vec<SocketAddr>, Error> {
        Phase::Resolve.within(deadline, self.resolver.resolve(host, port)).await
    }

    /// Without TLS only this computer may be reached: all addresses that the name has are looked at, before any of
    /// them is connected to, as the name alone proves nothing.
    fn check_plaintext(&self, addresses: &[SocketAddr]) -> Result<(), Error> {
        if !matches!(self.protection, Protection::Plain { allow_remote: false }) {
            return Ok(());
        }
        match addresses.iter().find(|address| !address.ip().to_canonical().is_loopback()) {
            None => Ok(()),
            Some(remote) => {
                Err(Error::new(ErrorKind::PlaintextRefused, format!("{} is not this computer", remote.ip()))
                    .with_advice(format!(
                        "Use TLS (iscsis://), or, where everybody on the way may read the data, {ALLOW}"
                    )))
            }
        }
    }
}

const ALLOW: &str = "give --insecure-plaintext";

impl Dial for Tunnel {
    fn dial<'a>(&'a self, address: &'a Address, deadline: Instant) -> Dialing<'a> {
        Box::pin(async move { self.open(address, deadline).await.map_err(|error| error.at(address)) })
    }
}

#[cfg(test)]
mod tests;

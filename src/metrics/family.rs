//! The closed list of families that describe the last run of a target.

/// Declares the families: name and help.
macro_rules! families {
    ($( $Family:ident = $name:literal, $help:literal; )+) => {
        /// A family of samples about the last run.
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        pub(super) enum Family { $( $Family, )+ }

        impl Family {
            /// Every family, in the order of the page.
            pub(super) const ALL: &'static [Self] = &[ $( Self::$Family, )+ ];

            /// The name of its samples.
            pub(super) const fn name(self) -> &'static str {
                match self { $( Self::$Family => $name, )+ }
            }

            /// What they say.
            pub(super) const fn help(self) -> &'static str {
                match self { $( Self::$Family => $help, )+ }
            }
        }
    };
}

families! {
    Success = "probe_success", "Whether the target was as the task wants it, 1 or 0.";
    Duration = "probe_duration_seconds", "How long the run took.";
    ErrorCode = "probe_error_code", "The documented code of the failure in its book; 0 on success in every book.";
    FailureInfo = "probe_failure_info", "Present while the last run failed: in which phase, by which fault, and on whose side.";
    Lookup = "probe_dns_lookup_time_seconds", "How long it took to find the addresses of the target.";
    IpProtocol = "probe_ip_protocol", "The IP version of the address that was contacted last, 4 or 6.";
    IpHash = "probe_ip_addr_hash", "A hash of the address that was contacted last: another one means another address.";
    RegexFailed = "probe_failed_due_to_regex", "Whether what the target said broke a rule of the task on its content.";
    HttpStatus = "probe_http_status_code", "The status of the final HTTP response.";
    HttpContentLength = "probe_http_content_length", "The Content-Length of the final HTTP response.";
    HttpBodyLength = "probe_http_uncompressed_body_length", "The length of the decoded body, where it was read to its end.";
    HttpRedirects = "probe_http_redirects", "How many redirects were followed.";
    HttpSsl = "probe_http_ssl", "Whether the final HTTP response came over TLS.";
    HttpVersion = "probe_http_version", "The HTTP version of the final response.";
    HttpDuration = "probe_http_duration_seconds", "How long each phase of the HTTP requests took, over all redirects; a phase that was not reached is absent.";
    HttpLastModified = "probe_http_last_modified_timestamp_seconds", "The Last-Modified of the final HTTP response.";
    CertificateExpiry = "probe_ssl_earliest_cert_expiry", "When the first of the presented certificates ends, also where they were not accepted.";
    ChainExpiry = "probe_ssl_last_chain_expiry_timestamp_seconds", "When the first certificate of the accepted chain ends, as far as it was presented.";
    ChainInfo = "probe_ssl_last_chain_info", "The certificate that the target presented for itself.";
    TlsVersion = "probe_tls_version_info", "The TLS version agreed on.";
    TlsCipher = "probe_tls_cipher_info", "The TLS cipher suite agreed on.";
    IcmpDuration = "probe_icmp_duration_seconds", "How long each phase of a PING took; rtt is the mean over its replies.";
    IcmpLoss = "probe_icmp_loss_ratio", "The share of echo requests without a reply.";
    DnsDuration = "probe_dns_duration_seconds", "How long each phase of a DNS question took.";
    DnsAnswers = "probe_dns_answer_rrs", "How many records the answer section had.";
    DnsAuthorities = "probe_dns_authority_rrs", "How many records the authority section had.";
    DnsAdditionals = "probe_dns_additional_rrs", "How many records the additional section had.";
    DnsSucceeded = "probe_dns_query_succeeded", "Whether the server answered the question, whatever it said.";
    DnsSerial = "probe_dns_serial", "The serial number of the zone, where its SOA was asked for.";
}

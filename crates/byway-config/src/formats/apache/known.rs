//! The names of httpd's own directives, and how those of other modules begin.
//!
//! httpd starts with no directive that it does not know, so that a name that is here is none that somebody misspelt. The list is
//! what `apache2 -L` of httpd 2.4 prints with all its modules, and what versions before and after it have beside that.

use std::collections::HashSet;
use std::sync::LazyLock;

/// Every directive of httpd itself as its manual spells it, sections too, sorted without regard to case.
const OWN: &str = "\
    AcceptFilter AcceptMutex AcceptPathInfo AccessConfig AccessFileName Action AddAlt AddAltByEncoding AddAltByType \
    AddCharset AddDefaultCharset AddDescription AddEncoding AddHandler AddIcon AddIconByEncoding AddIconByType \
    AddInputFilter AddLanguage AddModule AddModuleInfo AddOutputFilter AddOutputFilterByType AddType AgentLog Alias \
    AliasMatch AliasPreservePath allow AllowCONNECT AllowEncodedSlashes AllowMethods AllowOverride AllowOverrideList \
    Anonymous Anonymous_Authoritative Anonymous_LogEmail Anonymous_MustGiveEmail Anonymous_NoUserID \
    Anonymous_VerifyEmail AsyncRequestWorkerFactor AuthAuthoritative AuthBasicAuthoritative AuthBasicFake \
    AuthBasicProvider AuthBasicUseDigestAlgorithm AuthDBAuthoritative AuthDBDAuthoritative AuthDBDUserPWQuery \
    AuthDBDUserRealmQuery AuthDBGroupFile AuthDBMAuthoritative AuthDBMGroupFile AuthDBMType AuthDBMUserFile \
    AuthDBUserFile AuthDefaultAuthoritative AuthDigestAlgorithm AuthDigestDomain AuthDigestFile AuthDigestGroupFile \
    AuthDigestNcCheck AuthDigestNonceLifetime AuthDigestProvider AuthDigestQop AuthDigestShmemSize \
    AuthFormAuthoritative AuthFormBody AuthFormDisableNoStore AuthFormFakeBasicAuth AuthFormLocation \
    AuthFormLoginRequiredLocation AuthFormLoginSuccessLocation AuthFormLogoutLocation AuthFormMethod \
    AuthFormMimetype AuthFormPassword AuthFormProvider AuthFormSitePassphrase AuthFormSize AuthFormUsername \
    AuthGroupFile AuthLDAPAuthorizePrefix AuthLDAPBindAuthoritative AuthLDAPBindDN AuthLDAPBindPassword \
    AuthLDAPCharsetConfig AuthLDAPCompareAsUser AuthLDAPCompareDNOnServer AuthLDAPDereferenceAliases AuthLDAPEnabled \
    AuthLDAPFrontPageHack AuthLDAPGroupAttribute AuthLDAPGroupAttributeIsDN AuthLDAPInitialBindAsUser \
    AuthLDAPInitialBindPattern AuthLDAPMaxSubGroupDepth AuthLDAPRemoteUserAttribute AuthLDAPRemoteUserIsDN \
    AuthLDAPSearchAsUser AuthLDAPSubGroupAttribute AuthLDAPSubGroupClass AuthLDAPURL AuthMerging AuthName \
    AuthnCacheContext AuthnCacheEnable AuthnCacheProvideFor AuthnCacheSOCache AuthnCacheTimeout AuthnProviderAlias \
    AuthnzFcgiCheckAuthnProvider AuthnzFcgiDefineProvider AuthType AuthUserFile AuthzDBDLoginToReferer AuthzDBDQuery \
    AuthzDBDRedirectQuery AuthzDBMAuthoritative AuthzDBMType AuthzDefaultAuthoritative AuthzGroupFileAuthoritative \
    AuthzLDAPAuthoritative AuthzOwnerAuthoritative AuthzProviderAlias AuthzSendForbiddenOnFailure \
    AuthzUserAuthoritative BalancerGrowth BalancerInherit BalancerMember BalancerPersist BindAddress BrotliAlterETag \
    BrotliCompressionMaxInputBlock BrotliCompressionQuality BrotliCompressionWindow BrotliFilterNote BrowserMatch \
    BrowserMatchNoCase BS2000Account BufferedLogs BufferSize CacheDefaultExpire CacheDetailHeader CacheDirLength \
    CacheDirLevels CacheDisable CacheEnable CacheFile CacheForceCompletion CacheGcInterval CacheHeader \
    CacheIgnoreCacheControl CacheIgnoreHeaders CacheIgnoreNoLastMod CacheIgnoreQueryString \
    CacheIgnoreURLSessionIdentifiers CacheKeyBaseURL CacheLastModifiedFactor CacheLock CacheLockMaxAge CacheLockPath \
    CacheMaxExpire CacheMaxFileSize CacheMinExpire CacheMinFileSize CacheNegotiatedDocs CacheQuickHandler \
    CacheReadSize CacheReadTime CacheRoot CacheSize CacheSocache CacheSocacheMaxSize CacheSocacheMaxTime \
    CacheSocacheMinTime CacheSocacheReadSize CacheSocacheReadTime CacheStaleOnError CacheStoreExpired \
    CacheStoreNoStore CacheStorePrivate CaseFilter CaseFilterIn CGIDScriptTimeout CGIPassAuth CGIVar CharsetDefault \
    CharsetOptions CharsetSourceEnc CheckBasenameMatch CheckCaseOnly CheckSpelling ChrootDir ClearModuleList \
    ContentDigest CookieDomain CookieExpires CookieHttpOnly CookieLog CookieName CookieSameSite CookieSecure \
    CookieStyle CookieTracking CoreDumpDirectory CTAuditStorage CTLogClient CTLogConfigDB CTProxyAwareness \
    CTSCTStorage CTStaticLogConfig CTStaticSCTs CustomLog DAV DAVBasePath DAVDepthInfinity DAVGenericLockDB \
    DAVLockDB DAVLockDiscovery DAVMinTimeout DavRPathAuthProvider DBDExptime DBDInitSQL DBDKeep DBDMax DBDMin \
    DBDParams DBDPersist DBDPrepareSQL DBDriver DefaultIcon DefaultLanguage DefaultRuntimeDir DefaultType Define \
    DeflateAlterEtag DeflateBufferSize DeflateCompressionLevel DeflateFilterNote DeflateInflateLimitRequestBody \
    DeflateInflateRatioBurst DeflateInflateRatioLimit DeflateMemLevel DeflateWindowSize deny Directory \
    DirectoryCheckHandler DirectoryIndex DirectoryIndexRedirect DirectoryMatch DirectorySlash DocumentRoot \
    DTracePrivileges DumpIOInput DumpIOOutput Else ElseIf EnableExceptionHook EnableMMAP EnableSendfile Error \
    ErrorDocument ErrorLog ErrorLogFormat ExpiresActive ExpiresByType ExpiresDefault ExtendedStatus ExtFilterDefine \
    ExtFilterOptions FallbackResource FancyIndexing FileETag Files FilesMatch FilterChain FilterDeclare \
    FilterProtocol FilterProvider FilterTrace FirehoseConnectionInput FirehoseConnectionOutput \
    FirehoseProxyConnectionInput FirehoseProxyConnectionOutput FirehoseRequestInput FirehoseRequestOutput \
    FlushMaxPipelined FlushMaxThreshold ForceLanguagePriority ForceType ForensicLog GlobalLog \
    GracefulShutdownTimeout GrantAccess Group H2CopyFiles H2Direct H2EarlyHint H2EarlyHints H2MaxDataFrameLen \
    H2MaxHeaderBlockLen H2MaxSessionStreams H2MaxStreamErrors H2MaxWorkerIdleSeconds H2MaxWorkers H2MinWorkers \
    H2ModernTLSOnly H2OutputBuffering H2Padding H2ProxyRequests H2Push H2PushDiarySize H2PushPriority H2PushResource \
    H2SerializeHeaders H2SessionExtraFiles H2StreamMaxMemSize H2StreamTimeout H2TLSCoolDownSecs H2TLSWarmUpSize \
    H2Upgrade H2WebSockets H2WindowSize Header HeaderName HeartbeatAddress HeartbeatListen HeartbeatMaxServers \
    HeartbeatStorage HostnameLookups HttpProtocolOptions IdentityCheck IdentityCheckTimeout IdleShutdown If IfDefine \
    IfDirective IfFile IfModule IfSection IfVersion ImapBase ImapDefault ImapMenu Include IncludeOptional \
    IndexHeadInsert IndexIgnore IndexIgnoreReset IndexOptions IndexOrderDefault IndexStyleSheet InputSed \
    ISAPIAppendLogToErrors ISAPIAppendLogToQuery ISAPICacheFile ISAPIFakeAsync ISAPILogNotSupported \
    ISAPIReadAheadBuffer JournaldTag KeepAlive KeepAliveTimeout KeptBodySize LanguagePriority LDAPCacheEntries \
    LDAPCacheTTL LDAPConnectionPoolTTL LDAPConnectionTimeout LDAPLibraryDebug LDAPOpCacheEntries LDAPOpCacheTTL \
    LDAPReferralHopLimit LDAPReferrals LDAPRetries LDAPRetryDelay LDAPSharedCacheFile LDAPSharedCacheSize \
    LDAPTimeout LDAPTrustedCA LDAPTrustedCAType LDAPTrustedClientCert LDAPTrustedGlobalCert LDAPTrustedMode \
    LDAPVerifyServerCert Limit LimitExcept LimitInternalRecursion LimitRequestBody LimitRequestFields \
    LimitRequestFieldsize LimitRequestLine LimitXMLRequestBody Listen ListenBacklog ListenCoresBucketsRatio \
    ListenTCPDeferAccept LoadFile LoadModule Location LocationMatch LockFile LogFormat LogIOTrackTTFB LogIOTrackTTFU \
    LogLevel LogMessage LuaAuthzProvider LuaCodeCache LuaHookAccessChecker LuaHookAuthChecker LuaHookCheckUserID \
    LuaHookFixups LuaHookInsertFilter LuaHookLog LuaHookMapToStorage LuaHookPreTranslateName LuaHookTranslateName \
    LuaHookTypeChecker LuaInherit LuaInputFilter LuaMapHandler LuaOutputFilter LuaPackageCPath LuaPackagePath \
    LuaQuickHandler LuaRoot LuaScope Macro MacroIgnoreBadNesting MacroIgnoreEmptyArgs MaxClients \
    MaxConnectionsPerChild MaxKeepAliveRequests MaxMemFree MaxRangeOverlaps MaxRangeReversals MaxRanges \
    MaxRequestsPerChild MaxRequestWorkers MaxSpareServers MaxSpareThreads MaxThreads MaxThreadsPerChild \
    MCacheMaxObjectCount MCacheMaxObjectSize MCacheMaxStreamingBuffer MCacheMinObjectSize MCacheRemovalAlgorithm \
    MCacheSize MDActivationDelay MDBaseServer MDCACertificateFile MDCAChallenges MDCertificateAgreement \
    MDCertificateAuthority MDCertificateCheck MDCertificateFile MDCertificateKeyFile MDCertificateProtocol \
    MDCertificateStatus MDChallengeDns01 MDChallengeDns01Version MDCheckInterval MDContactEmail MDDriveMode \
    MDExternalAccountBinding MDHttpProxy MDHttpProxyCACertificateFile MDInitialDelay MDMatchNames MDMember MDMembers \
    MDMessageCmd MDMustStaple MDNotifyCmd MDomain MDomainSet MDPortMap MDPrivateKeys MDProfile MDProfileMandatory \
    MDRenewMode MDRenewViaARI MDRenewWindow MDRequireHttps MDRetryDelay MDRetryFailover MDServerStatus \
    MDStapleOthers MDStapling MDStaplingKeepResponse MDStaplingRenewWindow MDStoreDir MDStoreLocks MDWarnWindow \
    MemcacheConnTTL MergeSlashes MergeTrailers MetaDir MetaFiles MetaSuffix MimeMagicFile MinSpareServers \
    MinSpareThreads MMapFile ModemStandard ModMimeUsePathInfo MultiviewsMatch Mutex NameVirtualHost NoProxy \
    NumServers NWSSLTrustedCerts NWSSLUpgradeable Options order OutputSed PassEnv PidFile PolicyConditional \
    PolicyConditionalURL PolicyEnvironment PolicyFilter PolicyKeepalive PolicyKeepaliveURL PolicyLength \
    PolicyLengthURL PolicyMaxage PolicyMaxageURL PolicyNocache PolicyNocacheURL PolicyType PolicyTypeURL \
    PolicyValidation PolicyValidationURL PolicyVary PolicyVaryURL PolicyVersion PolicyVersionURL Port PrivilegesMode \
    Protocol ProtocolEcho Protocols ProtocolsHonorOrder Proxy Proxy100Continue ProxyAddHeaders ProxyBadHeader \
    ProxyBlock ProxyDomain ProxyErrorOverride ProxyExpressDBMFile ProxyExpressDBMType ProxyExpressEnable \
    ProxyFCGIBackendType ProxyFCGISetEnvIf ProxyFtpDirCharset ProxyFtpEscapeWildcards ProxyFtpListOnWildcard \
    ProxyHCExpr ProxyHCTemplate ProxyHCTPsize ProxyHTMLBufSize ProxyHTMLCharsetOut ProxyHTMLDoctype ProxyHTMLEnable \
    ProxyHTMLEvents ProxyHTMLExtended ProxyHTMLFixups ProxyHTMLInterp ProxyHTMLLinks ProxyHTMLMeta \
    ProxyHTMLStripComments ProxyHTMLURLMap ProxyIOBufferSize ProxyMatch ProxyMaxForwards ProxyPass ProxyPassInherit \
    ProxyPassInterpolateEnv ProxyPassMatch ProxyPassReverse ProxyPassReverseCookieDomain ProxyPassReverseCookiePath \
    ProxyPreserveHost ProxyReceiveBufferSize ProxyRemote ProxyRemoteMatch ProxyRequests ProxySCGIInternalRedirect \
    ProxySCGISendfile ProxySet ProxySourceAddress ProxyStatus ProxyTimeout ProxyVia \
    ProxyWebsocketFallbackToProxyHttp QualifyRedirectURL ReadBufferSize ReadmeName ReceiveBufferSize Redirect \
    RedirectMatch RedirectPermanent RedirectRelative RedirectTemp RedisConnPoolTTL RedisTimeout RefererIgnore \
    RefererLog ReflectorHeader RegexDefaultOptions RegisterHttpMethod RemoteIPHeader RemoteIPInternalProxy \
    RemoteIPInternalProxyList RemoteIPProxiesHeader RemoteIPProxyProtocol RemoteIPProxyProtocolExceptions \
    RemoteIPTrustedProxy RemoteIPTrustedProxyList RemoveCharset RemoveEncoding RemoveHandler RemoveInputFilter \
    RemoveLanguage RemoveOutputFilter RemoveType RequestHeader RequestReadTimeout Require RequireAll RequireAny \
    RequireNone ResourceConfig RewriteBase RewriteCond RewriteEngine RewriteLock RewriteLog RewriteLogLevel \
    RewriteMap RewriteOptions RewriteRule RLimitCPU RLimitMEM RLimitNPROC Satisfy ScoreBoardFile Script ScriptAlias \
    ScriptAliasMatch ScriptInterpreterSource ScriptLog ScriptLogBuffer ScriptLogLength ScriptSock SecureListen \
    SeeRequestTail SendBufferSize ServerAdmin ServerAlias ServerLimit ServerName ServerPath ServerRoot \
    ServerSignature ServerTokens ServerType Session SessionCookieMaxAge SessionCookieName SessionCookieName2 \
    SessionCookieRemove SessionCryptoCipher SessionCryptoDriver SessionCryptoPassphrase SessionCryptoPassphraseFile \
    SessionDBDCookieName SessionDBDCookieName2 SessionDBDCookieRemove SessionDBDDeleteLabel SessionDBDInsertLabel \
    SessionDBDPerUser SessionDBDSelectLabel SessionDBDUpdateLabel SessionEnv SessionExclude \
    SessionExpiryUpdateInterval SessionHeader SessionInclude SessionMaxAge SetEnv SetEnvIf SetEnvIfExpr \
    SetEnvIfNoCase SetHandler SetInputFilter SetOutputFilter SSIAccessEnable SSIEndTag SSIErrorMsg SSIEtag \
    SSILastModified SSILegacyExprParser SSIStartTag SSITimeFormat SSIUndefinedEcho SSLCACertificateFile \
    SSLCACertificatePath SSLCADNRequestFile SSLCADNRequestPath SSLCARevocationCheck SSLCARevocationFile \
    SSLCARevocationPath SSLCertificateChainFile SSLCertificateFile SSLCertificateKeyFile SSLCipherSuite \
    SSLCompression SSLCryptoDevice SSLEngine SSLFIPS SSLHonorCipherOrder SSLInsecureRenegotiation SSLLog SSLLogLevel \
    SSLMutex SSLOCSPDefaultResponder SSLOCSPEnable SSLOCSPNoVerify SSLOCSPOverrideResponder SSLOCSPProxyURL \
    SSLOCSPResponderCertificateFile SSLOCSPResponderTimeout SSLOCSPResponseMaxAge SSLOCSPResponseTimeSkew \
    SSLOCSPUseRequestNonce SSLOpenSSLConfCmd SSLOptions SSLPassPhraseDialog SSLPolicy SSLProtocol \
    SSLProxyCACertificateFile SSLProxyCACertificatePath SSLProxyCARevocationCheck SSLProxyCARevocationFile \
    SSLProxyCARevocationPath SSLProxyCheckPeerCN SSLProxyCheckPeerExpire SSLProxyCheckPeerName SSLProxyCipherSuite \
    SSLProxyEngine SSLProxyMachineCertificateChainFile SSLProxyMachineCertificateFile SSLProxyMachineCertificatePath \
    SSLProxyProtocol SSLProxyVerify SSLProxyVerifyDepth SSLRandomSeed SSLRenegBufferSize SSLRequire SSLRequireSSL \
    SSLSessionCache SSLSessionCacheTimeout SSLSessionTicketKeyFile SSLSessionTickets SSLSRPUnknownUserSeed \
    SSLSRPVerifierFile SSLStaplingCache SSLStaplingErrorCacheTimeout SSLStaplingFakeTryLater SSLStaplingForceURL \
    SSLStaplingResponderTimeout SSLStaplingResponseMaxAge SSLStaplingResponseTimeSkew \
    SSLStaplingReturnResponderErrors SSLStaplingStandardCacheTimeout SSLStrictSNIVHostCheck SSLUserName \
    SSLUseStapling SSLVerifyClient SSLVerifyDepth SSLVHostSNIPolicy StartProcessors StartServers StartThreads \
    StrictHostCheck Substitute SubstituteInheritBefore SubstituteMaxLineLength Suexec SuexecUserGroup \
    SystemdShutdown ThreadLimit ThreadsPerChild ThreadStackSize Timeout TLSCertificate TLSCiphersPrefer \
    TLSCiphersSuppress TLSEngine TLSHonorClientOrder TLSListen TLSOptions TLSProtocol TLSProxyCA \
    TLSProxyCiphersPrefer TLSProxyCiphersSuppress TLSProxyEngine TLSProxyMachineCertificate TLSProxyProtocol \
    TLSSessionCache TLSStrictSNI TraceEnable TransferLog TypesConfig UnDefine UndefMacro UnsetEnv Use \
    UseCanonicalName UseCanonicalPhysicalPort User UserDir VHostCGIMode VHostCGIPrivs VHostGroup VHostPrivs \
    VHostSecure VHostUser VirtualDocumentRoot VirtualDocumentRootIP VirtualHost VirtualScriptAlias \
    VirtualScriptAliasIP WatchdogInterval Win32DisableAcceptEx XBitHack xml2EncAlias xml2EncDefault xml2StartParse";

/// Beginnings of the names of modules that people add: PHP, Passenger, mod_security, mod_pagespeed and the like.
const OTHERS: &str = "\
    AddRadius AssignUserID AuthCAS AuthCookie AuthKerb AuthMySQL AuthOpenID AuthPAM AuthPG AuthRadius AuthTkt \
    AuthXRadius AuthzSVN CacheLiteSpeed CAS CBand CloudFlare DOS DosHash Evasive FastCgi FCGId FcgiWrapper GeoIP \
    GssApi Jk Krb LimitIPConn LiteSpeed LSAPI MaxConnPerIP MaxMindDB Mellon ModPagespeed ModTile Mono NSS OIDC \
    Passenger Perl php_ PHPIniDir Pubcookie Python QS_ Rack Rails RDocumentChRoot RGroups RMinUidGid RMode RPAF \
    RUidGid Sec Shib suPHP_ SVN WSGI XSendFile zend_";

static NAMES: LazyLock<HashSet<String>> = LazyLock::new(|| OWN.split(' ').map(str::to_ascii_lowercase).collect());

/// Every directive of httpd itself, as its manual spells it.
pub(super) fn own() -> impl Iterator<Item = &'static str> {
    OWN.split(' ')
}

/// Whether a directive, in small letters, is one of httpd's own, or of a module that people add.
pub(super) fn is_known(name: &str) -> bool {
    let begins = |other: &str| name.get(..other.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(other));
    NAMES.contains(name) || OTHERS.split(' ').any(begins)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted_and_has_no_name_twice() {
        let names: Vec<String> = own().map(str::to_ascii_lowercase).collect();
        assert!(names.is_sorted_by(|one, next| one < next), "{names:?}");
        assert_eq!(names.len(), NAMES.len());
    }

    #[test]
    fn real_directives_are_known_and_others_are_not() {
        for name in
            "cgivar mdomain h2push proxyset sslstrictsnivhostcheck remoteipheader php_value secruleengine jkmount \
                     passengerroot wsgidaemonprocess modpagespeed rewritelog namevirtualhost"
                .split_whitespace()
        {
            assert!(is_known(name), "{name}");
        }
        for name in ["redirct", "rewriterul", "serveralia", "sslengin", "https", "öh"] {
            assert!(!is_known(name), "{name}");
        }
    }
}

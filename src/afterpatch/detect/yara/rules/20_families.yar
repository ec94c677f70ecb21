rule AP_Shell_Sportsball
{
    meta:
        title = "SPORTSBALL web shell constants"
        title_zh = "SPORTSBALL 网页后门常量"
        severity = "critical"
        family = "SPORTSBALL"
        confidence = "high"
        chain = "web-shell"
        stage = "wrote"
        kind = "web-shell"
        group = "web-shell"
        explain = "The cookie name or key of the SPORTSBALL shell (a variant of HyperShell) that Volexity found in the first intrusions of January 2021."
        explain_zh = "Volexity 在 2021 年 1 月最早的入侵中发现的 SPORTSBALL 后门（HyperShell 变种）的 Cookie 名或密钥。"
        origin = "Volexity 2021-03-02"
    strings:
        // the key, and the cookie's name as a quoted word
        $key = { 5A 4E 32 61 44 41 42 34 72 58 73 73 7A 45 76 43 4C 72 7A 67 63 76 51 34 6F 69 35 4A 31 54 75 69 52 55 4C 6C 51 62 59 77 6C 64 45 3D }
        $cookie = { 22 66 71 72 73 70 74 22 }
    condition:
        $key or ($cookie and ap_page)
}

rule AP_Shell_Simpleseesharp
{
    meta:
        title = "SIMPLESEESHARP upload page"
        title_zh = "SIMPLESEESHARP 上传页面"
        severity = "critical"
        family = "SIMPLESEESHARP"
        confidence = "high"
        chain = "web-shell"
        stage = "wrote"
        kind = "web-shell"
        group = "web-shell"
        explain = "A page of under 1 KB whose only work is to save the first uploaded file under a path of the sender's choice."
        explain_zh = "小于 1 KB 的页面，唯一作用是把上传的第一个文件保存到发送者指定的路径。"
        origin = "Volexity 2021-03-02"
    strings:
        $head = /<%@\s{0,8}Page\b/i
        $files = /\x52equest\s{0,4}\.\s{0,4}Files\s{0,4}\[\s{0,4}0\s{0,4}\]\s{0,4}\.\s{0,4}SaveAs\s{0,4}\(/i
        $combine = /Path\s{0,4}\.\s{0,4}Combine/i
    condition:
        filesize < 1KB and $head in (0..8) and $files and $combine
}

rule AP_Shell_Security_Product_Checker
{
    meta:
        title = "Page that tells a caller which security product runs"
        title_zh = "向访问者报告所运行安全产品的页面"
        severity = "critical"
        family = "SecChecker"
        confidence = "high"
        chain = "web-shell"
        stage = "wrote"
        kind = "web-shell"
        group = "web-shell"
        explain = "A tiny page tests for the files of endpoint security products and answers with a digit."
        explain_zh = "极小的页面检查终端安全产品的文件是否存在，并以数字应答。"
        origin = "signature-base (features), March 2021"
    strings:
        $exists = /\x46ile\s{0,4}\.\s{0,4}Exists\s{0,4}\(/i
        $a = "xagt" nocase
        $b = /csfalcon/i
        $c = /CarbonBlack|cbdefense|SentinelAgent|cyserver|MsSense/i
    condition:
        ap_page and filesize < 3KB and $exists and any of ($a, $b, $c)
}

rule AP_Tunnel_Regeorg
{
    meta:
        title = "reGeorg or Neo-reGeorg tunnel page"
        title_zh = "reGeorg / Neo-reGeorg 隧道页面"
        severity = "critical"
        family = "reGeorg"
        confidence = "high"
        chain = "web-shell"
        stage = "wrote"
        kind = "web-shell"
        group = "tunnel"
        techniques = "T1505.003,T1090.001,T1572"
        explain = "The page opens network connections for whoever asks and passes bytes both ways: a tunnel into the inner network through the web server."
        explain_zh = "页面为请求者打开网络连接并双向转发数据：通过网站服务器进入内网的隧道。"
        origin = "Volexity 2021-03-02; Mandiant UNC3524 (features)"
    strings:
        $banner = { 47 65 6F 72 67 20 73 61 79 73 2C 20 27 41 6C 6C 20 73 65 65 6D 73 20 66 69 6E 65 27 }
        $socket = /Net\s{0,4}\.\s{0,4}Sockets|new\s{1,4}(Socket|TcpClient)\s{0,4}\(/i
        $head = /\x52equest\s{0,4}\.\s{0,4}(Headers|QueryString)/i
        $add = /Response\s{0,4}\.\s{0,4}(AddHeader|AppendHeader)/i
        $in = /(InputStream\s{0,4}\.\s{0,4}Read|BinaryRead)/i
        $out = /Response\s{0,4}\.\s{0,4}(BinaryWrite|OutputStream)/i
    condition:
        $banner or (ap_page and filesize < 200KB and all of ($socket, $head, $add, $in, $out))
}

rule AP_Shell_Behinder
{
    meta:
        title = "Behinder (IceScorpion) web shell"
        title_zh = "冰蝎（Behinder）网页后门"
        severity = "critical"
        family = "Behinder"
        confidence = "high"
        chain = "web-shell"
        stage = "wrote"
        kind = "web-shell"
        group = "web-shell"
        techniques = "T1505.003,T1620,T1573.001"
        explain = "The page decrypts the body of the request with a fixed key and runs it as a program; the default key is that of the Behinder client."
        explain_zh = "页面用固定密钥解密请求正文并作为程序执行；默认密钥属于冰蝎客户端。"
        origin = "Elastic Behinder rule (features); public analyses"
    strings:
        $key = { 65 34 35 65 33 32 39 66 65 62 35 64 39 32 35 62 }
        $load = /\x41ssembly\s{0,4}\.\s{0,4}Load\s{0,4}\(|"\x4coad"/i
        $aes = /Rijndael(Managed)?|\bAes(Managed|CryptoServiceProvider)?\b|CreateDecryptor/
        $body = /\x52equest\s{0,4}\.\s{0,4}(BinaryRead|InputStream|ContentLength|TotalBytes)/i
        $make = /CreateInstance|\.Equals\s{0,4}\(/
    condition:
        ap_page and filesize < 100KB and ($key or all of ($load, $aes, $body, $make))
}

rule AP_Shell_Behinder_Classic
{
    meta:
        title = "Behinder web shell in classic ASP"
        title_zh = "经典 ASP 版冰蝎网页后门"
        severity = "critical"
        family = "Behinder"
        confidence = "high"
        chain = "web-shell"
        stage = "wrote"
        kind = "web-shell"
        group = "web-shell"
        explain = "The page reads the raw body of the request, decodes it byte by byte with a key and executes it."
        explain_zh = "页面读取请求原始正文，用密钥逐字节解码后执行。"
        origin = "public analyses (features)"
    strings:
        $read = /\x52equest\s{0,4}\.\s{0,4}BinaryRead\s{0,4}\(/i
        $xor = /\bxor\b/i
        $run = /\b\x65xecute(Global)?\s{0,4}\(?/i
    condition:
        ap_classic and filesize < 20KB and all of them
}

rule AP_Shell_Godzilla
{
    meta:
        title = "Godzilla web shell"
        title_zh = "哥斯拉（Godzilla）网页后门"
        severity = "critical"
        family = "Godzilla"
        confidence = "high"
        chain = "web-shell"
        stage = "wrote"
        kind = "web-shell"
        group = "web-shell"
        techniques = "T1505.003,T1620,T1573.001"
        explain = "The page keeps a program that a first request brought in the server's session and feeds later requests to it; the default key is that of the Godzilla client."
        explain_zh = "页面把首次请求带来的程序保存在服务器会话中，并把后续请求交给它执行；默认密钥属于哥斯拉客户端。"
        origin = "public analyses (features)"
    strings:
        $key = { 33 63 36 65 30 62 38 61 39 63 31 35 32 32 34 61 }
        $store = /(\x53ession|Context\.Session|Application|AppDomain)[^;\r\n]{0,30}["']payload["']/i
        $load = /\x4coad["']|\x41ssembly\s{0,4}\.\s{0,4}Load/i
        $md5 = /MD5/
        $run = /\b\x65xecute(Global)?\b/i
    condition:
        ap_page and filesize < 100KB and ($key or ($store and ($load or $md5 or $run)))
}

rule AP_Shell_Aspxspy
{
    meta:
        title = "ASPXSpy administration shell"
        title_zh = "ASPXSpy 管理型网页后门"
        severity = "critical"
        family = "ASPXSpy"
        confidence = "high"
        chain = "web-shell"
        stage = "wrote"
        kind = "web-shell"
        group = "web-shell"
        explain = "A large page with forms for files, processes, services, registry and databases, known by its own name or by the set of its features."
        explain_zh = "具有文件、进程、服务、注册表和数据库表单的大型页面，可由其自身名称或功能组合识别。"
        origin = "public analyses (features in backdoors 1.7)"
    strings:
        $name = /\x41SPXSpy/i
        $bin = /Bin_(Button|List|Password|PathLib|Filelist|PortScan|Cmd)/i
        $reg = /Registry(Key)?\s{0,4}\./
        $wmi = /ManagementObject(Searcher)?|Win32_(Service|Process)/
        $sql = /xp_cmd\x73hell|sp_OACreate/i
        $port = /TcpClient|PortScan/i
    condition:
        ap_page and filesize > 8KB and ($name or #bin > 4 or (ap_process and 3 of ($reg, $wmi, $sql, $port)))
}

rule AP_Shell_Hypershell
{
    meta:
        title = "HyperShell or HighShell family"
        title_zh = "HyperShell / HighShell 家族"
        severity = "critical"
        family = "HyperShell"
        confidence = "high"
        chain = "web-shell"
        stage = "wrote"
        kind = "web-shell"
        group = "web-shell"
        explain = "The page bears the names of the HyperShell / HighShell family of shells."
        explain_zh = "页面带有 HyperShell / HighShell 后门家族的名称。"
        origin = "TrustedSec; public analyses (features)"
    strings:
        $a = /hyper\x73hell|high\x73hell/i
        $b = /NugxsoSoap|btnUploadCommand|exporttemplates/i
    condition:
        ap_page and any of them and (ap_process or ap_request or ap_control_text)
}

rule AP_Shell_Supernova
{
    meta:
        title = "SUPERNOVA-like handler"
        title_zh = "类 SUPERNOVA 处理程序"
        severity = "critical"
        family = "SUPERNOVA"
        confidence = "high"
        chain = "web-shell"
        stage = "wrote"
        kind = "web-shell"
        group = "web-shell"
        explain = "Code compiles source that the request brings and calls a class and method that the request names."
        explain_zh = "代码编译请求带来的源码，并调用请求指定的类和方法。"
        origin = "Splunk supernova_webshell; public analyses (features)"
    strings:
        $a = "clazz" wide ascii
        $b = "codes" wide ascii
        $compile = { 43 6F 6D 70 69 6C 65 41 73 73 65 6D 62 6C 79 46 72 6F 6D 53 6F 75 72 63 65 }
    condition:
        all of them
}

rule AP_Shell_Known_Parameters
{
    meta:
        title = "Page with a request parameter of published web shells"
        title_zh = "使用已公开网页后门请求参数的页面"
        severity = "high"
        confidence = "moderate"
        chain = "proxyshell"
        stage = "wrote"
        kind = "web-shell"
        group = "web-shell"
        explain = "The page reads a request value by a name that was published for shells of the ProxyLogon and ProxyShell waves."
        explain_zh = "页面按 ProxyLogon 和 ProxyShell 浪潮中已公开的后门参数名读取请求值。"
        origin = "HvS-Consulting; signature-base (features)"
    strings:
        $a = /["'](exec_code|orangenb|gold8899|AppcacheVer|getErrorWord|errorWord)["']/
    condition:
        ap_page and $a
}

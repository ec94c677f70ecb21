rule AP_Compiled_JScript_Page
{
    meta:
        title = "Compiled page written in JScript"
        title_zh = "编译后的 JScript 页面"
        severity = "high"
        confidence = "high"
        chain = "web-shell"
        stage = "used"
        kind = "compiled-page"
        group = "compiled"
        explain = "The library is a compiled ASP.NET page and refers to the JScript run time. Exchange's own pages are C#; the shells of 2021 were JScript. It proves that such a page ran, also where its file is gone."
        explain_zh = "该库是编译后的 ASP.NET 页面并引用 JScript 运行库。Exchange 自身页面为 C#，而 2021 年的后门为 JScript。即使页面文件已删除，也证明它曾运行。"
        origin = "BSI rule in signature-base (features)"
    strings:
        $js = "Microsoft.JScript" ascii
        $eval = { 4A 53 63 72 69 70 74 45 76 61 6C 75 61 74 65 }
        $page = "System.Web" ascii
    condition:
        uint16(0) == 0x5a4d and filesize < 3MB and $page and ($js or $eval) and not filename istartswith "microsoft."
}

rule AP_Compiled_Oab_Page
{
    meta:
        title = "Compiled page with the text of an OAB dump (CVE-2021-27065)"
        title_zh = "含 OAB 转储文本的编译页面（CVE-2021-27065）"
        severity = "critical"
        confidence = "high"
        chain = "proxylogon"
        stage = "used"
        kind = "compiled-page"
        group = "compiled"
        explain = "The text of a virtual directory became literal content of a compiled page: the compiled form of a ProxyLogon shell. It proves that the shell was called."
        explain_zh = "虚拟目录文本成为编译页面的字面内容：即 ProxyLogon 后门的编译形式，证明后门曾被调用。"
        origin = "signature-base APT_MAL_ASP_DLL_HAFNIUM (features)"
    strings:
        $url = " : http://" wide
        $name = "ExternalUrl" wide
        $name2 = "InternalAuthenticationMethods" wide
        $name3 = "ExtendedProtectionTokenChecking" wide
    condition:
        uint16(0) == 0x5a4d and filesize < 3MB and $url and 2 of ($name, $name2, $name3)
}

rule AP_Compiled_Shell_Page
{
    meta:
        title = "Compiled page that runs programs or loads code"
        title_zh = "会启动程序或加载代码的编译页面"
        severity = "high"
        confidence = "moderate"
        chain = "web-shell"
        stage = "used"
        kind = "compiled-page"
        group = "compiled"
        explain = "A small compiled ASP.NET page from a folder that holds no pages, or one that reads the request and starts programs, saves uploads or loads code."
        explain_zh = "来自不应有页面的文件夹的小型编译页面，或读取请求并启动程序、保存上传、加载代码的编译页面。"
        origin = "BSI rule in signature-base (features)"
    strings:
        $path = /~\/(aspnet_client|auth)\// wide
        $aspname = /ASP\.(aspnet_client|auth)_/
        $files = "get_Files"
        $save = "SaveAs"
        $req = "get_Request"
        $proc = "ProcessStartInfo"
        $start = "set_RedirectStandardOutput"
        $load = "System.Reflection"
        $cdom = "CompileAssemblyFromSource"
        $key = { 65 34 35 65 33 32 39 66 65 62 35 64 39 32 35 62 }
    condition:
        uint16(0) == 0x5a4d and filesize < 200KB and $req and filename istartswith "app_web_" and (($files and $save) or ($proc and $start) or $cdom or $key or (($path or $aspname) and $load and (filesize < 5KB)))
}

rule AP_Native_Iis_Raid
{
    meta:
        title = "Native IIS module with the marks of IIS-Raid"
        title_zh = "具有 IIS-Raid 特征的 IIS 本机模块"
        severity = "critical"
        confidence = "high"
        chain = "iis-persistence"
        stage = "wrote"
        kind = "iis-module"
        group = "module"
        explain = "The library exports the entry point of an IIS module and holds the command words of the IIS-Raid back door."
        explain_zh = "该库导出 IIS 模块入口并含有 IIS-Raid 后门的命令字。"
        origin = "ESET badiis (features)"
    strings:
        $register = "RegisterModule"
        $cred = /creds\.db|X-Chrome-Variations|X-Password|COM_InterProt|X-FFEServer|Sense-Pwd|X-BlogEngine|XXXYYY-Ref|DllResolve\.db|AAD30E0F\.tmp/ ascii wide
        $c1 = "CMD|"
        $c2 = "PIN|"
        $c3 = "INJ|"
        $c4 = "DMP|"
        $c5 = /credwiz\.exe/ ascii wide nocase
        $c6 = "UPL|"
        $c7 = "DOW|"
    condition:
        uint16(0) == 0x5a4d and $register and ($cred or 3 of ($c*))
}

rule AP_Native_Rgdoor
{
    meta:
        title = "Native IIS module with the marks of RGDoor"
        title_zh = "具有 RGDoor 特征的 IIS 本机模块"
        severity = "critical"
        confidence = "high"
        chain = "iis-persistence"
        stage = "wrote"
        kind = "iis-module"
        group = "module"
        explain = "The library is an IIS module and takes its commands from the cookie that RGDoor uses."
        explain_zh = "该库是 IIS 模块，并从 RGDoor 使用的 Cookie 中取得命令。"
        origin = "ESET badiis; public analyses (features)"
    strings:
        $register = "RegisterModule"
        $cookie = { 52 47 53 45 53 53 49 4F 4E 49 44 3D }
        $u = "upload$"
        $d = "download$"
        $c = "cmd$"
    condition:
        uint16(0) == 0x5a4d and $register and ($cookie or all of ($u, $d, $c))
}

rule AP_Managed_Owowa
{
    meta:
        title = "Managed IIS module Owowa"
        title_zh = "托管 IIS 模块 Owowa"
        severity = "critical"
        family = "Owowa"
        confidence = "high"
        chain = "iis-persistence"
        stage = "wrote"
        kind = "iis-module"
        group = "module"
        techniques = "T1505.004,T1056.003"
        explain = "The library hooks every response of Outlook on the web and stores the logons it sees, with an exception for Exchange's own health mailboxes."
        explain_zh = "该库挂钩 Outlook 网页版的每个响应并保存所见的登录凭据，同时排除 Exchange 健康邮箱。"
        origin = "Kaspersky 2021-12; Microsoft Defender (features)"
    strings:
        $type = "ExtenderControlDesigner"
        $hook = "PreSend_RequestContent"
        $file = ".db.ses" wide ascii
        $skip = "HealthMailbox" wide ascii
        $run = "RunCommand"
    condition:
        uint16(0) == 0x5a4d and ($hook and 2 of ($type, $file, $skip, $run))
}

rule AP_Shell_Page_Writer
{
    meta:
        title = "Page that writes another server page"
        title_zh = "写出另一个服务器页面的页面"
        severity = "high"
        confidence = "high"
        chain = "web-shell"
        stage = "wrote"
        kind = "web-shell"
        group = "web-shell"
        explain = "Code in the page creates a file with the extension of a server page. It plants a shell under another name, and survives as its source."
        explain_zh = "页面代码创建带服务器页面扩展名的文件：以其他名称植入后门，并作为其来源保留。"
        origin = "public web shell collections (features)"
    strings:
        $a = /(\x46ile\s{0,4}\.\s{0,4}(CreateText|\x57riteAll\w{4,6}|AppendAllText|AppendText|Copy|Move)|\x53treamWriter|CreateTextFile|\x53aveToFile)\s{0,4}\(?[^;\r\n]{0,120}\.(aspx|ashx|asmx|asp|asa|cer|cshtml)["']/i
    condition:
        ap_inline_code and filesize < 200KB and $a
}

rule AP_Shell_Database_Console
{
    meta:
        title = "Page that is a console for a database"
        title_zh = "数据库控制台页面"
        severity = "medium"
        confidence = "low"
        chain = "web-shell"
        stage = "wrote"
        kind = "web-shell"
        group = "web-shell"
        explain = "Code in the page opens a database connection and runs text from a form. Exchange uses no SQL database; a mail server has no use for such a page."
        explain_zh = "页面代码打开数据库连接并执行表单文本。Exchange 不使用 SQL 数据库，邮件服务器上不需要此类页面。"
        origin = "public web shell collections (features)"
    strings:
        $connect = /\bnew\s{1,4}[\w.]{0,40}(Sql|OleDb|Odbc|MySql)(Connection|Command|DataAdapter)\b|\x41DODB\s{0,4}\.\s{0,4}Connection/i
        $execute = /\.\s{0,4}(ExecuteReader|ExecuteNonQuery|ExecuteScalar|Fill|Execute)\s{0,4}\(?|\.\s{0,4}Open\s{0,4}\(/i
        $query = /xp_cmd\x73hell|sp_oacreate|connection\s?string|connstr|sqlstr|exec\s{1,4}master|sysobjects|information_schema/i
    condition:
        ap_inline_code and filesize < 300KB and (ap_control_text or ap_request) and all of them
}

rule AP_Style_Sheet_With_Code
{
    meta:
        title = "Style sheet whose script reaches into the server"
        title_zh = "脚本可访问服务器的样式表"
        severity = "high"
        confidence = "moderate"
        chain = "web-shell"
        stage = "wrote"
        kind = "web-shell"
        group = "web-shell"
        techniques = "T1505.003,T1220"
        explain = "An XSL style sheet carries script that uses the server's own classes. A page that transforms with it runs that script."
        explain_zh = "XSL 样式表携带使用服务器类的脚本，使用它进行转换的页面会执行该脚本。"
        origin = "public web shell collections (features)"
    strings:
        $sheet = /<xsl:(stylesheet|transform)\b/i
        $script = /<msxsl:script\b/i
        $use = /System\.(Web|Diagnostics|Reflection|IO)\b|HttpContext|\x65val\s{0,4}\(|W[sS]cript\.\x53hell/
    condition:
        filesize < 2MB and all of them and extension != ".xsl" and extension != ".xslt"
}

rule AP_Network_Sniffer_Page
{
    meta:
        title = "Page that records network traffic or scans ports"
        title_zh = "记录网络流量或扫描端口的页面"
        severity = "high"
        confidence = "moderate"
        chain = "web-shell"
        stage = "wrote"
        kind = "web-shell"
        group = "web-shell"
        techniques = "T1505.003,T1040,T1046"
        explain = "Code in the page opens raw sockets or connects to a list of ports."
        explain_zh = "页面代码打开原始套接字或连接一系列端口。"
        origin = "public web shell collections (features)"
    strings:
        $raw = /SocketType\s{0,4}\.\s{0,4}Raw|ProtocolType\s{0,4}\.\s{0,4}IP\b|SIO_RCVALL|IOControl/
        $scan = /new\s{1,4}[\w.]{0,30}(TcpClient|Socket)\s{0,4}\([^;]{0,80}\)[^%]{0,200}(port|Port)/
    condition:
        ap_inline_code and filesize < 300KB and (ap_request or ap_control_text) and any of them
}

rule AP_Shell_Virtual_Page
{
    meta:
        title = "Page that registers pages without files"
        title_zh = "注册无文件页面的页面"
        severity = "high"
        confidence = "moderate"
        chain = "web-shell"
        stage = "wrote"
        kind = "web-shell"
        group = "web-shell"
        techniques = "T1505.003,T1620"
        explain = "Code in the page registers a provider of virtual paths: pages then exist in memory only and answer under any address."
        explain_zh = "页面代码注册虚拟路径提供程序：页面只存在于内存中，可在任意地址应答。"
        origin = "analysis (ghost web shells)"
    strings:
        $a = /RegisterVirtualPathProvider/
        $b = /VirtualPathProvider\b/
    condition:
        ap_inline_code and filesize < 100KB and all of them
}

rule AP_Shell_Sql_From_Request
{
    meta:
        title = "Page that runs database statements out of a request"
        title_zh = "执行请求中数据库语句的页面"
        severity = "high"
        confidence = "low"
        chain = "web-shell"
        stage = "wrote"
        kind = "web-shell"
        group = "web-shell"
        explain = "Code in a small page opens a database and runs a statement or connection text from the request."
        explain_zh = "小型页面的代码打开数据库并执行来自请求的语句或连接串。"
        origin = "analysis (features in backdoors 1.8)"
    strings:
        $open = /new\s{1,4}[\w.]{0,40}(Sql|OleDb|Odbc)Connection\s{0,4}\([^;]{0,80}(Request|\.Text)|ADODB\s{0,4}\.\s{0,4}Connection["')\s]{1,6}[^%]{0,300}\.\s{0,4}Open\s{0,4}\(?[^\r\n]{0,40}request/i
        $run = /\bxp_cmd\x73hell|sp_oacreate/i
    condition:
        ap_page and filesize < 300KB and (ap_request or ap_control_text) and any of them
}

rule AP_Shell_Remote_Code
{
    meta:
        title = "Page that fetches code from elsewhere and runs it"
        title_zh = "从外部获取代码并执行的页面"
        severity = "critical"
        confidence = "moderate"
        chain = "web-shell"
        stage = "wrote"
        kind = "web-shell"
        group = "web-shell"
        explain = "The page downloads text from another host and evaluates or writes it."
        explain_zh = "页面从其他主机下载文本并执行或写入。"
        origin = "public web shell collections (features)"
    strings:
        $get = /DownloadString|DownloadData|DownloadFile|MSXML2?\.(Server)?XMLHTTP|Microsoft\.XMLHTTP|WinHttp\.WinHttpRequest/i
        $run = /\b(\x65xecute|\x65xecuteGlobal|\x65val)\b\s{0,4}\(?|\x53aveToFile|\x41ssembly\.Load/i
    condition:
        ap_inline_code and filesize < 30KB and all of them
}

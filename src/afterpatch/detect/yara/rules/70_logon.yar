rule AP_Logon_Script_Sends_Credentials
{
    meta:
        title = "Logon script that copies what users type"
        title_zh = "会复制用户输入的登录脚本"
        severity = "critical"
        confidence = "moderate"
        chain = "web-shell"
        stage = "used"
        kind = "modified-file"
        group = "logon"
        techniques = "T1056.003,T1556"
        explain = "A script of the logon page reads the user name or password field and sends or stores it besides the form's own submit. The stock scripts hold no such call."
        explain_zh = "登录页脚本读取用户名或密码字段，并在表单提交之外发送或保存。原版脚本没有此类调用。"
        origin = "Positive Technologies 2024, press (features)"
    strings:
        $field = /(password|passwd|username)["']?\s{0,4}\)?\s{0,4}\.\s{0,4}value|getElementById\s{0,4}\(\s{0,4}["'](password|username)["']/i
        $send = /new\s{1,4}XMLHttpRequest|\bfetch\s{0,4}\(|new\s{1,4}Image\s{0,4}\(|navigator\.sendBeacon|\.open\s{0,4}\(\s{0,4}["'](POST|GET)["']|ActiveXObject/
        $encode = /\b(btoa|encodeURIComponent|escape)\s{0,4}\([^;]{0,80}(pass|user)/i
        $form = /clkLgn|logonForm|flogon|lgnBtn|signInButton/i
    condition:
        $form and $field and $send and ($encode or #send > 0) and filesize < 500KB
}

rule AP_Logon_Page_Writes_File
{
    meta:
        title = "Logon page that writes to a file"
        title_zh = "会写文件的登录页面"
        severity = "critical"
        confidence = "high"
        chain = "web-shell"
        stage = "used"
        kind = "modified-file"
        group = "logon"
        techniques = "T1056.003,T1556"
        explain = "Server code in a logon page writes text to a file: the form in which intruders kept the passwords of everybody who logged on."
        explain_zh = "登录页中的服务器代码把文本写入文件：入侵者以此保存所有登录者的密码。"
        origin = "Positive Technologies 2024, press (features)"
    strings:
        $write = /\bnew\s{1,4}(System\.IO\.)?\x53treamWriter\s{0,4}\(|\x46ile\s{0,4}\.\s{0,4}(Append|WriteAll)\w{0,10}\s{0,4}\(|\x46ile\s{0,4}\.\s{0,4}(AppendText|CreateText)/
        $form = /password/i
    condition:
        $write and $form and (filename iequals "logon.aspx" or filename iequals "expiredpassword.aspx" or filename iequals "flogon.js" or filename iequals "logoff.aspx" or filename iequals "errorfe.aspx" or filename iequals "redirsuiteserviceproxy.aspx" or filename iequals "signout.aspx")
}

rule AP_Credential_Log
{
    meta:
        title = "Text file that holds logons"
        title_zh = "保存登录信息的文本文件"
        severity = "high"
        confidence = "moderate"
        chain = "mail-theft"
        stage = "used"
        kind = ""
        group = "logon"
        techniques = "T1056.003,T1074.001"
        explain = "Many lines of the file hold a user name beside a password, in a place that the web server reads."
        explain_zh = "文件中多行同时包含用户名和密码，且位于网站服务器可读的位置。"
        origin = "ESET badiis; Positive Technologies (features)"
    strings:
        $a = /(username|user|login|domain\\user)["']?\s{0,4}[:=]\s{0,4}[^\s&;,]{2,80}[\s&;,|]{1,4}(password|passwd|pwd)["']?\s{0,4}[:=]\s{0,4}[^\s&;,]{3,80}/i
        $b = /\w[\w.\-]{0,30}\\\w[\w.\-]{0,40}\s{0,2}[:|\t]\s{0,2}[^\s:|]{6,40}\r?\n/
        $c = /destination=https?[^&\s]{0,120}&flags=\d&[^\s]{0,60}username=[^&\s]{2,80}&password=/i
    condition:
        not ap_page and filesize < 20MB and not filepath icontains "\\Logging\\" and not filepath icontains "\\LogFiles\\" and
        (filepath icontains "inetpub" or filepath icontains "HttpProxy" or filepath icontains "ClientAccess" or filepath icontains "\\Temp\\" or filepath icontains "\\owa\\" or filepath icontains "ProgramData" or filepath icontains "\\Users\\Public") and
        (extension == ".txt" or extension == ".log" or extension == ".dat" or extension == ".db" or extension == ".tmp" or extension == "" or extension == ".png" or extension == ".gif" or extension == ".css" or extension == ".js") and (#a > 2 or #b > 20 or #c > 1)
}
